#include "roboimi/common/paths.h"

#include <gmock/gmock.h>
#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>

namespace roboimi {
namespace {

namespace fs = std::filesystem;

// An environment variable that is put back at the end of a test.
class ScopedVariable {
 public:
  ScopedVariable(std::string name, const char* value) : name_(std::move(name)) {
    if (const char* former = std::getenv(name_.c_str())) former_ = former;
    set(value);
  }
  ~ScopedVariable() { set(former_ ? former_->c_str() : nullptr); }
  ScopedVariable(const ScopedVariable&) = delete;
  ScopedVariable& operator=(const ScopedVariable&) = delete;

 private:
  void set(const char* value) const {
    value != nullptr ? ::setenv(name_.c_str(), value, 1) : ::unsetenv(name_.c_str());
  }
  std::string name_;
  std::optional<std::string> former_;
};

TEST(Paths, ExpandTheHomeFolderInFrontOnly) {
  const ScopedVariable home("HOME", "/home/somebody");
  EXPECT_EQ(expand_home("~"), "/home/somebody");
  EXPECT_EQ(expand_home("~/data/a b"), "/home/somebody/data/a b");
  EXPECT_EQ(expand_home("~//data"), "/home/somebody/data");
  EXPECT_EQ(expand_home("data/~/x"), "data/~/x");
  EXPECT_EQ(expand_home("./~"), "./~");
  EXPECT_EQ(expand_home(""), "");
}

TEST(Paths, ExpandTheHomeFolderOfAnotherUser) {
  const passwd* root = ::getpwnam("root");
  ASSERT_NE(root, nullptr);
  EXPECT_EQ(expand_home("~root/data"), fs::path(root->pw_dir) / "data");
  EXPECT_EQ(expand_home("~nobody_of_this_name/data"), "~nobody_of_this_name/data");
}

TEST(Paths, TakeTheAccountsHomeFolderWithoutTheVariable) {
  const ScopedVariable home("HOME", nullptr);
  const passwd* account = ::getpwuid(::getuid());
  ASSERT_NE(account, nullptr);
  EXPECT_EQ(home_folder(), account->pw_dir);
  const ScopedVariable empty("HOME", "");
  EXPECT_EQ(home_folder(), account->pw_dir);
}

TEST(Paths, AreAbsoluteFromTheCurrentFolder) {
  const fs::path here = fs::current_path();
  EXPECT_EQ(absolute_path("data"), here / "data");
  EXPECT_EQ(absolute_path("./data/./x"), here / "data/x");
  EXPECT_EQ(absolute_path("../data").string(), (here / "../data").string());
  EXPECT_EQ(absolute_path("/data/x/"), "/data/x/");
  EXPECT_EQ(absolute_path(""), "");
}

}  // namespace
}  // namespace roboimi
