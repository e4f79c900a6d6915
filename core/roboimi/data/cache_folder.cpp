#include "roboimi/data/cache_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <set>
#include <thread>

#include "roboimi/common/error.h"
#include "roboimi/common/hash.h"
#include "roboimi/common/paths.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

constexpr auto kLockPoll = std::chrono::milliseconds(50);

bool make_writable(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  return !error && ::access(folder.c_str(), W_OK | X_OK) == 0;
}

fs::path user_cache_folder() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0') {
    return fs::path(expand_home(cache)) / "roboimi";
  }
  const char* home = std::getenv("HOME");
  return fs::path(home != nullptr ? home : "/tmp") / ".cache" / "roboimi";
}

std::string file_state(const fs::path& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) {
    throw Error({.what = std::string("cannot read: ") + std::strerror(errno),
                 .where = file.string(),
                 .next = "the file was there when the dataset was opened: restore it"});
  }
  return std::to_string(status.st_size) + " " + std::to_string(status.st_mtim.tv_sec) + "." +
         std::to_string(status.st_mtim.tv_nsec);
}

}  // namespace

fs::path cache_folder(const Dataset& dataset) {
  ROBOIMI_CHECK(dataset.num_episodes() > 0, "a dataset without episodes");
  const fs::path data = fs::absolute(dataset.episode(0).file).parent_path();
  const fs::path beside = data / ".roboimi_cache";
  if (make_writable(beside)) return beside;
  const fs::path user = user_cache_folder();
  if (make_writable(user)) return user;
  throw Error({.what = "no folder for cached data can be written",
               .where = beside.string(),
               .expected = "write permission there or in " + user.string(),
               .next = "set XDG_CACHE_HOME to a folder with space"});
}

std::string data_fingerprint(const Dataset& dataset, bool hash_contents) {
  Sha256 hash;
  hash.update_text(hash_contents ? "contents" : "size and mtime");
  std::set<fs::path> seen;
  for (std::int64_t i = 0; i < dataset.num_episodes(); ++i) {
    const EpisodeInfo& info = dataset.episode(i);
    hash.update_text(std::to_string(info.length));
    const fs::path file = fs::weakly_canonical(info.file);
    if (!seen.insert(file).second) continue;
    if (hash_contents) {
      hash.update_text(file.filename().string()).update_text(sha256_file(file));
    } else {
      hash.update_text(file.string()).update_text(file_state(file));
    }
  }
  return hash.hex();
}

FileLock::FileLock(const fs::path& file, const std::function<bool()>& should_stop) {
  const std::string name = file.string() + ".lock";
  std::error_code error;
  fs::create_directories(file.parent_path(), error);
  if (error) {
    throw Error({.what = "cannot create the folder: " + error.message(),
                 .where = file.parent_path().string(),
                 .next = "check the permissions, or set cache.folder to a folder that can be "
                         "written"});
  }
  descriptor_ = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor_ < 0) {
    throw Error({.what = std::string("cannot create the lock: ") + std::strerror(errno),
                 .where = name,
                 .next = "check the permissions and the free space of the folder"});
  }
  while (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    const bool stop = should_stop && should_stop();
    if (stop || (error != EWOULDBLOCK && error != EINTR)) {
      ::close(descriptor_);
      throw Error({.what = stop ? "interrupted while another process holds the lock"
                                : std::string("cannot lock: ") + std::strerror(error),
                   .where = name});
    }
    std::this_thread::sleep_for(kLockPoll);
  }
}

FileLock::~FileLock() { ::close(descriptor_); }

}  // namespace roboimi
