// When a process fails, the others end with an error that says so.
#include <gmock/gmock.h>

#include <chrono>

#include "roboimi/common/processes.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;

ProcessResult run_to_failure(const std::string& how) {
  return run_process({PROCESSES, "3", FAILING_PROCESS, how}, "", std::chrono::seconds(60));
}

int count_of(const std::string& text, const std::string& part) {
  int count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(OneOfThreeProcesses, EndsNormallyWithoutAFailure) {
  const ProcessResult result = run_to_failure("nothing");
  EXPECT_EQ(result.status, 0) << result.errors;
  EXPECT_EQ(count_of(result.errors, "finished with status 0"), 3) << result.errors;
}

TEST(OneOfThreeProcesses, ThatFailsIsNoticedByTheOthers) {
  for (const char* how : {"error", "silence", "crash"}) {
    const ProcessResult result = run_to_failure(how);
    EXPECT_NE(result.status, 0) << how;
    EXPECT_NE(result.status, kTimedOut) << how;
    EXPECT_EQ(count_of(result.errors, "another process of this training has ended"), 2)
        << how << "\n"
        << result.errors;
  }
}

TEST(OneOfThreeProcesses, ThatHangsIsNoticedAfterTheTimeout) {
  const ProcessResult result = run_to_failure("hang");
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.errors, HasSubstr("another process of this training did not answer in time"));
  EXPECT_THAT(result.errors, HasSubstr("communicator.timeout"));
}

TEST(OneOfThreeProcesses, ThatDoesNotStartIsNoticed) {
  const ProcessResult result = run_to_failure("absent");
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.errors, HasSubstr("the processes of this training did not find each other"));
  EXPECT_THAT(result.errors, HasSubstr("expected 3 processes, started by torchrun, at 127.0.0.1:"));
  EXPECT_THAT(result.errors, HasSubstr("within 4 s"));
}

}  // namespace
}  // namespace roboimi
