#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "roboimi/common/processes.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

TEST(TemporaryFolder, DISABLED_PrintIt) {
  std::printf("FOLDER=%s\n", ::testing::TempDir().c_str());
}

// The temporary folder of another process of this program.
std::string folder_of_another_process() {
  const ProcessResult result = run_process(
      {"/proc/self/exe", "--gtest_also_run_disabled_tests", "--gtest_filter=*DISABLED_PrintIt"}, "",
      std::chrono::seconds(60));
  const std::size_t at = result.output.find("FOLDER=") + 7;
  return result.output.substr(at, result.output.find('\n', at) - at);
}

TEST(TemporaryFolder, BelongsToOneTestProgram) {
  EXPECT_TRUE(fs::equivalent(::testing::TempDir(), fs::temp_directory_path()));
  const std::string first = folder_of_another_process(), second = folder_of_another_process();
  EXPECT_NE(first, second);
  EXPECT_NE(first, ::testing::TempDir());
  EXPECT_NE(first, "");
  EXPECT_FALSE(fs::exists(first)) << "it is removed at the end";
}

}  // namespace
}  // namespace roboimi
