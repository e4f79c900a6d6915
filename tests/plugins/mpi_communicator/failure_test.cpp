// A failing process prints its error and ends all other processes.
#include <gmock/gmock.h>

#include <chrono>

#include "roboimi/common/processes.h"
#include "tests/mpi.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

ProcessResult run_to_failure(const std::string& how) {
  std::vector<std::string> words = {MPIRUN};
  for (const std::string& word : mpirun_arguments(3, FAILING_PROCESS, {how})) words.push_back(word);
  return run_process(words, "", std::chrono::seconds(30));
}

TEST(OneOfSeveralProcesses, PrintsItsErrorAndEndsAll) {
  const ProcessResult result = run_to_failure("error");
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.errors, HasSubstr("failing_process: the disk of rank 1 is full"));
  EXPECT_THAT(result.errors, Not(HasSubstr("finished with status")));
}

TEST(OneOfSeveralProcesses, EndsAllWithItsStatus) {
  EXPECT_EQ(run_to_failure("status").status, 130);
}

TEST(OneOfSeveralProcesses, EndsAllWhenItExitsSilently) {
  const int status = run_to_failure("silence").status;
  EXPECT_NE(status, 0);
  EXPECT_NE(status, kTimedOut);
}

TEST(OneOfSeveralProcesses, EndsAllWhenItCrashes) {
  const int status = run_to_failure("crash").status;
  EXPECT_NE(status, 0);
  EXPECT_NE(status, kTimedOut);
}

TEST(OneOfSeveralProcesses, EndsNormallyWithoutAFailure) {
  const ProcessResult result = run_to_failure("nothing");
  EXPECT_EQ(result.status, 0) << result.errors;
}

}  // namespace
}  // namespace roboimi
