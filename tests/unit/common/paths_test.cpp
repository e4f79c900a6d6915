#include "roboimi/common/paths.h"

#include <gmock/gmock.h>
#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "tests/error_text.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

class Paths : public ::testing::Test {
 protected:
  Paths() {
    if (const char* home = std::getenv("HOME")) home_ = home;
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~Paths() override {
    ::setenv("HOME", home_.c_str(), 1);
    fs::remove_all(folder_);
  }

  std::string home_;
  fs::path folder_ = fs::path(::testing::TempDir()) / "roboimi_paths_test";
};

TEST_F(Paths, ExpandOnlyALeadingHomeFolder) {
  ::setenv("HOME", "/home/somebody", 1);
  EXPECT_EQ(expand_home("~"), "/home/somebody");
  EXPECT_EQ(expand_home("~/runs/x"), "/home/somebody/runs/x");
  for (const char* path : {"", "runs", "/a/~/b", "./~", "a~", "x/~/y"}) {
    EXPECT_EQ(expand_home(path), path);
  }
}

TEST_F(Paths, ExpandTheHomeFolderOfAUserIfThereIsOne) {
  const passwd* root = ::getpwnam("root");
  ASSERT_NE(root, nullptr);
  EXPECT_EQ(expand_home("~root/data"), std::string(root->pw_dir) + "/data");
  EXPECT_EQ(error_text([] { expand_home("~no_such_user/data"); }),
            "~no_such_user/data: no user 'no_such_user': expected ~/FOLDER, ~USER/FOLDER or a path "
            "that does not begin with '~'; for a file with this name write ./~no_such_user/data");
}

TEST_F(Paths, UseTheUserDatabaseIfHomeIsNotSet) {
  const passwd* own = ::getpwuid(::getuid());
  ASSERT_NE(own, nullptr);
  ::unsetenv("HOME");
  EXPECT_EQ(expand_home("~/x"), std::string(own->pw_dir) + "/x");
  EXPECT_EQ(home_folder(), own->pw_dir);
}

TEST_F(Paths, AreRelativeToTheCurrentFolder) {
  const fs::path here = fs::current_path();
  EXPECT_EQ(absolute_path("data"), here / "data");
  EXPECT_EQ(absolute_path("./data/./x"), here / "data/x");
  EXPECT_EQ(absolute_path("../data").string(), (here / "../data").string());
  EXPECT_EQ(absolute_path("/data/x/"), "/data/x/");
  EXPECT_EQ(absolute_path(""), "");
}

TEST_F(Paths, FindTheNearestParentThatExists) {
  EXPECT_EQ(nearest_existing(folder_ / "a" / "b"), folder_);
  EXPECT_EQ(nearest_existing(folder_), folder_);
  EXPECT_EQ(nearest_existing(folder_ / ""), folder_);
  EXPECT_EQ(nearest_existing("no_such_folder"), fs::current_path());
}

TEST_F(Paths, ReportWhyAFolderIsNotWritableAndCreateNothing) {
  const auto failure = [&](const fs::path& folder) {
    return error_text([&] { require_writable_folder(folder, "output_dir"); });
  };
  EXPECT_NO_THROW(require_writable_folder(folder_ / "new" / "deep", "output_dir"));
  EXPECT_FALSE(fs::exists(folder_ / "new"));
  std::ofstream(folder_ / "file") << "x";
  EXPECT_THAT(failure(folder_ / "file"), HasSubstr("output_dir: not a folder"));
  EXPECT_THAT(failure(folder_ / "file" / "below"),
              HasSubstr("output_dir: not a folder: expected a folder; found " +
                        (folder_ / "file").string() + ", a file"));
  EXPECT_THAT(failure(folder_ / std::string(300, 'x')),
              HasSubstr("a name in the path is too long: expected at most 255 bytes; found 300"));
  fs::path deep = folder_;
  while (deep.native().size() < 4000) deep /= std::string(100, 'd');
  EXPECT_THAT(failure(deep), HasSubstr("output_dir: the path is too long: expected at most 3936"));
  EXPECT_LT(failure(deep).size(), 500u);
  EXPECT_THAT(failure(""), HasSubstr("output_dir: an empty path"));
  EXPECT_THAT(failure("/proc/x"), HasSubstr("output_dir: cannot "));  // root may write there
}

TEST_F(Paths, ReportWhyAFileIsNotWritable) {
  const auto failure = [&](const fs::path& file) {
    return error_text([&] { require_writable_file(file, "--out"); });
  };
  EXPECT_NO_THROW(require_writable_file(folder_ / "new" / "a.bin", "--out"));
  EXPECT_NO_THROW(require_writable_file("a.bin", "--out"));
  EXPECT_THAT(failure(folder_), HasSubstr("--out: not a file: expected the name of a file"));
  EXPECT_THAT(failure(folder_ / ""), HasSubstr("found a folder"));
  EXPECT_THAT(failure(folder_ / std::string(250, 'x')), HasSubstr("the file's name is too long"));
  // Also if only its temporary name is.
  EXPECT_THAT(failure(folder_ / std::string(230, 'x')), HasSubstr("at most 222 bytes; found 230"));
  EXPECT_NO_THROW(require_writable_file(folder_ / std::string(222, 'x'), "--out"));
}

TEST_F(Paths, AreQuotedForAShellIfNeeded) {
  EXPECT_EQ(shell_word("runs/x_lr=1e-4"), "runs/x_lr=1e-4");
  EXPECT_EQ(shell_word("My Drive/run"), "'My Drive/run'");
  EXPECT_EQ(shell_word("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_word("~x"), "'~x'");
  EXPECT_EQ(shell_word(""), "''");
}

}  // namespace
}  // namespace roboimi
