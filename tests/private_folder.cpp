// Gives each test program a temporary folder of its own, so that two runs of the tests on one
// machine do not use the same files. It applies to std::filesystem::temp_directory_path(), to
// ::testing::TempDir() and to child processes.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace roboimi {
namespace {

// Created before main() and removed at the end. A process that is killed leaves its folder behind.
class PrivateFolder {
 public:
  PrivateFolder() {
    std::string pattern = std::filesystem::temp_directory_path() / "roboimi_test_XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
    // munged, which a test starts, refuses a socket in a folder that other users cannot enter.
    std::filesystem::permissions(path_, std::filesystem::perms{0755});
    ::setenv("TMPDIR", path_.c_str(), /*overwrite=*/1);
  }
  ~PrivateFolder() {
    std::error_code ignored;
    if (::getpid() == owner_) std::filesystem::remove_all(path_, ignored);  // not a forked child
  }
  PrivateFolder(const PrivateFolder&) = delete;
  PrivateFolder& operator=(const PrivateFolder&) = delete;

 private:
  const pid_t owner_ = ::getpid();
  std::filesystem::path path_;
};

const PrivateFolder private_folder;

}  // namespace
}  // namespace roboimi
