#include "roboimi/common/process_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "roboimi/common/origin.h"
#include "tests/deny_system_call.h"
#include "tests/error_text.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

class ProcessLockTest : public ::testing::Test {
 protected:
  ProcessLockTest() { fs::create_directories(folder_); }
  ~ProcessLockTest() override { fs::remove_all(folder_); }

  fs::path folder_ =
      fs::path(::testing::TempDir()) / ("roboimi_process_lock_" + std::to_string(::getpid()));
};

TEST_F(ProcessLockTest, HasOneHolderAtATime) {
  auto lock = ProcessLock::try_take(folder_ / "lock");
  ASSERT_TRUE(lock);
  EXPECT_FALSE(ProcessLock::try_take(folder_ / "lock"));
  lock.reset();
  EXPECT_TRUE(ProcessLock::try_take(folder_ / "lock"));
}

TEST_F(ProcessLockTest, StopsWaitingOnRequest) {
  const ProcessLock lock = ProcessLock::take(folder_ / "lock");
  int asked = 0;
  EXPECT_THAT(
      error_text([&] { ProcessLock::take(folder_ / "lock", [&] { return ++asked == 2; }); }),
      HasSubstr("lock: interrupted while another process holds the lock"));
}

TEST_F(ProcessLockTest, OfAFolderNamesItsHolder) {
  std::optional<ProcessLock> lock = ProcessLock::take_folder(folder_, "run");
  const std::string text = error_text([&] { ProcessLock::take_folder(folder_, "run"); });
  EXPECT_THAT(text, HasSubstr(folder_.string() +
                              ": another process is using this run: found "
                              "process " +
                              std::to_string(::getpid()) + " on " + host_name() + " since 20"));
  EXPECT_THAT(text, HasSubstr("wait for it to end, or stop it"));
  lock.reset();
  EXPECT_NO_THROW(ProcessLock::take_folder(folder_, "run"));
}

TEST_F(ProcessLockTest, DoesNotCreateAMissingFolder) {
  EXPECT_THAT(error_text([&] { ProcessLock::take_folder(folder_ / "missing", "run"); }),
              HasSubstr("missing/.lock: cannot create the lock: No such file or directory"));
  EXPECT_FALSE(fs::exists(folder_ / "missing"));
}

TEST_F(ProcessLockTest, IsNotTakenThroughALink) {
  std::ofstream(folder_ / "target") << "process 1";
  fs::create_symlink("target", folder_ / ".lock");
  EXPECT_THAT(error_text([&] { ProcessLock::take_folder(folder_, "run"); }),
              HasSubstr("it is a link: remove it"));
}

TEST_F(ProcessLockTest, WithoutSupportIsAnErrorAndForAFolderAWarning) {
  EXPECT_EXIT(
      {
        testing::deny_system_call(SYS_flock, ENOLCK);
        const std::string text = error_text([&] { ProcessLock::try_take(folder_ / "lock"); });
        const bool is_error = text.find("cannot lock: No locks available") != std::string::npos;
        const ProcessLock lock = ProcessLock::take_folder(folder_, "run");
        std::_Exit(is_error ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace roboimi
