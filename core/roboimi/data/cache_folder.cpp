#include "roboimi/data/cache_folder.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <vector>

#include "roboimi/common/error.h"
#include "roboimi/common/hash.h"
#include "roboimi/common/interrupted.h"
#include "roboimi/common/log.h"
#include "roboimi/common/paths.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

bool make_writable(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  return !error && ::access(folder.c_str(), W_OK | X_OK) == 0;
}

// Whether only this user, root or `also` can have put files into the folder. Otherwise a policy
// could be trained, unnoticed, on features that somebody else has computed.
bool is_trusted(const fs::path& folder, uid_t also) {
  struct stat status {};
  if (::stat(folder.c_str(), &status) != 0) return false;
  const bool is_owned = status.st_uid == ::geteuid() || status.st_uid == 0 || status.st_uid == also;
  const bool is_open = (status.st_mode & S_IWOTH) != 0;
  if (is_owned && !is_open) return true;
  logger().warn("{}: not used for cached data: {}", folder.string(),
                is_open ? "every user can write to it (chmod o-w)" : "it belongs to another user");
  return false;
}

uid_t owner_of(const fs::path& folder) {
  struct stat status {};
  return ::stat(folder.c_str(), &status) == 0 ? status.st_uid : ::geteuid();
}

bool lies_in(const fs::path& file, const fs::path& folder) {
  const fs::path inside = file.lexically_relative(folder);
  return !inside.empty() && *inside.begin() != "..";
}

// The folder of the first episode, or a nearby parent folder that holds all files of the data: a
// format may spread episodes over folders, such as DATA/meta and DATA/videos/front.
fs::path data_folder(const Dataset& dataset) {
  constexpr int kLevels = 3;
  const auto clean = [](const fs::path& path) { return fs::absolute(path).lexically_normal(); };
  const fs::path first = clean(dataset.episode(0).file).parent_path();
  const std::vector<fs::path> files = dataset.files();
  fs::path folder = first;
  for (int level = 0; level < kLevels; ++level) {
    const bool holds_all = std::all_of(files.begin(), files.end(), [&](const fs::path& file) {
      return lies_in(clean(file), folder);
    });
    if (holds_all) return folder;
    folder = folder.parent_path();
  }
  return first;
}

std::string file_state(const fs::path& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) {
    throw Error({.what = std::string("cannot read: ") + std::strerror(errno),
                 .where = file.string(),
                 .next = "the file existed when the dataset was opened: restore it"});
  }
  return std::to_string(status.st_size) + " " + std::to_string(status.st_mtim.tv_sec) + "." +
         std::to_string(status.st_mtim.tv_nsec);
}

[[noreturn]] void fail_no_folder(const fs::path& beside, const fs::path& user) {
  throw Error({.what = "no usable folder for cached data",
               .where = beside.string(),
               .expected = "a folder that belongs to this user" +
                           (user.empty() ? ", or a home folder" : ", or " + user.string()),
               .next = "set cache.folder to a folder with space"});
}

}  // namespace

fs::path planned_cache_folder(const Dataset& dataset) {
  const fs::path data = data_folder(dataset);
  const auto is_usable = [](const fs::path& folder, uid_t also) {
    if (::access(nearest_existing(folder).c_str(), W_OK | X_OK) != 0) return false;
    std::error_code error;
    if (!fs::exists(folder, error)) return true;
    return fs::is_directory(folder, error) && is_trusted(folder, also);
  };
  const fs::path beside = data / ".roboimi_cache", user = user_cache_folder();
  if (is_usable(beside, owner_of(data))) return beside;
  if (!user.empty() && is_usable(user, ::geteuid())) return user;
  fail_no_folder(beside, user);
}

fs::path cache_folder(const Dataset& dataset) {
  if (dataset.num_episodes() == 0) {
    throw Error(
        {.what = "the dataset has no episodes", .where = "data", .expected = "at least one"});
  }
  const fs::path data = data_folder(dataset);
  const fs::path beside = data / ".roboimi_cache";
  // The owner of the data is trusted anyway.
  if (make_writable(beside) && is_trusted(beside, owner_of(data))) return beside;
  const fs::path user = user_cache_folder();
  if (!user.empty() && make_writable(user) && is_trusted(user, ::geteuid())) return user;
  fail_no_folder(beside, user);
}

std::string data_fingerprint(const Dataset& dataset, bool hash_contents) {
  Sha256 hash;
  hash.update_text(hash_contents ? "contents" : "size and mtime");
  for (std::int64_t i = 0; i < dataset.num_episodes(); ++i) {
    hash.update_text(std::to_string(dataset.episode(i).length));
  }
  std::set<fs::path> seen;
  for (const fs::path& path : dataset.files()) {
    const fs::path file = fs::weakly_canonical(path);
    if (!seen.insert(file).second) continue;
    if (hash_contents) {
      hash.update_text(file.filename().string()).update_text(sha256_file(file));
    } else {
      hash.update_text(file.string()).update_text(file_state(file));
    }
  }
  return hash.hex();
}

ProcessLock lock_cached_file(const fs::path& file, const std::function<bool()>& should_stop) {
  try {
    return ProcessLock::take(file.string() + ".lock", should_stop);
  } catch (const Interrupted&) {
    throw;
  } catch (const Error& error) {
    Error::Parts parts = error.parts();
    if (!parts.next.empty()) parts.next += ", or set cache.folder to another folder";
    throw Error(std::move(parts));
  }
}

}  // namespace roboimi
