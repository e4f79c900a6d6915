#include "roboimi/common/files.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "roboimi/common/error.h"
#include "roboimi/common/hash.h"
#include "tests/deny_system_call.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

class Files : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("roboimi_files_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::size_t entries() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder_), fs::directory_iterator{}));
  }
  fs::path folder_;
};

TEST_F(Files, AFailedWriteKeepsOnlyTheOldFile) {
  write_text_atomically(folder_ / "a", "old");
  EXPECT_THROW(write_file_atomically(folder_ / "a",
                                     [](const fs::path& temporary) {
                                       std::ofstream(temporary) << "half";
                                       throw Error("interrupted");
                                     }),
               Error);
  EXPECT_EQ(read_text(folder_ / "a"), "old");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(Files, AFileThatIsTooLargeGivesAClearError) {
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  rlimit small = old;
  small.rlim_cur = 1000;
  ::signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  std::string text;
  try {
    write_text_atomically(folder_ / "large", std::string(5000, 'x'));
  } catch (const Error& error) {
    text = error.what();
  }
  setrlimit(RLIMIT_FSIZE, &old);
  EXPECT_NE(text.find("File too large"), std::string::npos) << text;
  EXPECT_NE(text.find("size limit of this process (ulimit -f)"), std::string::npos) << text;
  EXPECT_EQ(entries(), 0u);
}

TEST_F(Files, AFolderIsWrittenAtomically) {
  EXPECT_THROW(write_folder_atomically(folder_ / "step",
                                       [](const fs::path& temporary) {
                                         write_text_atomically(temporary / "model", "x");
                                         throw Error("interrupted");
                                       }),
               Error);
  EXPECT_EQ(entries(), 0u);
  write_folder_atomically(folder_ / "step", [](const fs::path& temporary) {
    write_text_atomically(temporary / "model", "x");
  });
  EXPECT_EQ(read_text(folder_ / "step" / "model"), "x");
}

TEST_F(Files, AFolderIsReplacedAtomically) {
  const auto write = [&](const std::string& text) {
    write_folder_atomically(folder_ / "step", [&](const fs::path& temporary) {
      write_text_atomically(temporary / "model", text);
      // The old folder exists until the new one is complete.
      EXPECT_EQ(fs::exists(folder_ / "step"), text == "new");
    });
  };
  write("old");
  write("new");
  EXPECT_EQ(read_text(folder_ / "step" / "model"), "new");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(Files, AFolderIsReplacedWhereNamesCannotBeExchanged) {
  EXPECT_EXIT(
      {
        testing::deny_system_call(SYS_renameat2, EINVAL);
        for (const char* text : {"old", "new"}) {
          write_folder_atomically(folder_ / "step", [&](const fs::path& temporary) {
            write_text_atomically(temporary / "model", text);
          });
        }
        std::_Exit(read_text(folder_ / "step" / "model") == "new" && entries() == 1 ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST_F(Files, AFileInAFolderThatIsBeingWrittenIsSyncedOnlyOnce) {
  EXPECT_EXIT(
      {
        std::string text = "no error";
        try {
          write_folder_atomically(folder_ / "step", [&](const fs::path& temporary) {
            testing::deny_system_call(SYS_fsync, EIO);
            write_text_atomically(temporary / "model", "x");  // would fail here
            if (!fs::exists(temporary / "model")) std::_Exit(1);
          });
        } catch (const Error& error) {
          text = error.what();
        }
        std::_Exit(text.find("cannot sync") != std::string::npos && entries() == 0 ? 0 : 2);
      },
      ::testing::ExitedWithCode(0), "");
}

// As on NFS, which may report only here that the disk is full.
TEST_F(Files, AFailureOfCloseIsAnErrorAndLeavesNoFile) {
  EXPECT_EXIT(
      {
        testing::deny_system_call(SYS_close, ENOSPC);
        std::string text = "no error";
        try {
          write_text_atomically(folder_ / "model", "x");
        } catch (const Error& error) {
          text = error.what();
        }
        const bool is_named = text.find("model: cannot write: No space left") != std::string::npos;
        std::_Exit(is_named && entries() == 0 ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST_F(Files, ATemporaryNameIsUniqueAndLinksAreNotFollowed) {
  std::vector<fs::path> names;
  for (int i = 0; i < 2; ++i) {
    write_file_atomically(folder_ / "a", [&](const fs::path& temporary) {
      EXPECT_TRUE(fs::exists(temporary));  // nobody can put another file there
      names.push_back(temporary);
      std::ofstream(temporary) << "x";
    });
  }
  EXPECT_NE(names[0], names[1]);
  EXPECT_TRUE(names[0].filename().string().starts_with(".a.tmp" + std::to_string(::getpid()) + "-"))
      << names[0];
  fs::create_symlink(folder_ / "a", folder_ / "link");
  EXPECT_THROW(OutputFile(folder_ / "link", folder_ / "link"), Error);
  EXPECT_EQ(read_text(folder_ / "a"), "x");
}

TEST_F(Files, TemporaryFilesOfKilledProcessesAreRemovedByTheNextWrite) {
  constexpr const char* kGone = "2000000000";  // no process has this ID
  const std::string own = std::to_string(::getpid());
  fs::path written_now;
  write_file_atomically(folder_ / "other", [&](const fs::path& temporary) {
    written_now = temporary.filename();
    std::ofstream(temporary) << "x";
  });
  const std::string tag = written_now.string().substr(written_now.string().find('-'), 9);
  const std::string foreign = "-00000000-9f3ac2d1";
  for (const std::string& name :
       {".a.tmp" + std::string(kGone), ".a.tmp" + std::string(kGone) + tag + "-9f3ac2d1",
        ".a.tmp" + own, ".a.tmp" + std::string(kGone) + foreign,
        ".a.tmp" + std::string(kGone) + ".x", ".ab.tmp" + std::string(kGone)}) {
    std::ofstream(folder_ / name) << "half";
  }
  fs::create_symlink("other", folder_ / (".a.tmp2000000001"));
  EXPECT_EQ(entries(), 8u);
  write_text_atomically(folder_ / "a", "new");
  // Three are removed: two files of this machine, and the link.
  EXPECT_EQ(entries(), 6u);
  EXPECT_FALSE(fs::exists(folder_ / (".a.tmp" + std::string(kGone))));
  EXPECT_TRUE(fs::exists(folder_ / (".a.tmp" + own)));
  EXPECT_TRUE(fs::exists(folder_ / (".ab.tmp" + std::string(kGone))));
  // A file of another machine is removed after a day.
  const fs::path of_another_machine = folder_ / (".a.tmp" + std::string(kGone) + foreign);
  fs::last_write_time(of_another_machine,
                      fs::file_time_type::clock::now() - std::chrono::hours(25));
  write_text_atomically(folder_ / "a", "new");
  EXPECT_FALSE(fs::exists(of_another_machine));
  EXPECT_EQ(read_text(folder_ / "other"), "x");
}

TEST_F(Files, AFailedReadIsNotTheEndOfTheText) {
  EXPECT_THROW(read_text("/proc/self/mem"), Error);  // opens, but its first page cannot be read
  const std::string text(200000, 'x');
  write_text_atomically(folder_ / "long.txt", text);
  EXPECT_EQ(read_text(folder_ / "long.txt"), text);
}

TEST_F(Files, APipeIsRefusedWithoutWaiting) {
  const auto pipe =
      std::filesystem::temp_directory_path() / ("roboimi_pipe" + std::to_string(::getpid()));
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  try {
    const MappedFile mapped(pipe);
    ADD_FAILURE() << "mapped";
  } catch (const Error& error) {
    EXPECT_STREQ(
        error.what(),
        (pipe.string() + ": cannot map: expected a regular file; found something else").c_str());
  }
  std::filesystem::remove(pipe);
}

TEST_F(Files, HashOfAFileMatchesThePublishedVector) {
  write_text_atomically(folder_ / "abc", "abc");  // FIPS 180-2, appendix B.1
  EXPECT_EQ(sha256_file(folder_ / "abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace roboimi
