#include "modules/attnres/gpu/kernel_cache.h"

#include <sys/stat.h>
#include <unistd.h>

#include "roboimi/common/files.h"
#include "roboimi/common/hash.h"
#include "roboimi/common/log.h"
#include "roboimi/common/paths.h"

namespace roboimi::attnres::gpu {
namespace {

namespace fs = std::filesystem;

// A file starts with the hash of the kernels after it. The driver is not told their size, so it
// would read beyond the end of kernels that are cut off.
constexpr std::size_t kHashDigits = 64;

std::string hash_of(std::string_view bytes) {
  return Sha256().update(bytes.data(), bytes.size()).hex();
}

bool is_own(const fs::path& path, mode_t kind) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0 || (status.st_mode & S_IFMT) != kind) return false;
  return status.st_uid == ::geteuid() && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

}  // namespace

fs::path KernelCache::default_folder() {
  const fs::path caches = user_cache_folder();
  return caches.empty() ? fs::path() : caches / "kernels";
}

std::optional<std::string> KernelCache::find(const std::string& key) const {
  const fs::path file = file_of(key);
  if (folder_.empty() || !is_own(folder_, S_IFDIR) || !is_own(file, S_IFREG)) return std::nullopt;
  try {
    const std::string text = read_text(file);
    if (text.size() < kHashDigits) return std::nullopt;
    std::string bytes = text.substr(kHashDigits);
    if (text.compare(0, kHashDigits, hash_of(bytes)) != 0) return std::nullopt;
    return bytes;
  } catch (const std::exception& error) {
    logger().debug("cannot read cached GPU kernels: {}", error.what());
    return std::nullopt;
  }
}

void KernelCache::keep(const std::string& key, std::string_view bytes) const {
  if (folder_.empty()) return;
  try {
    fs::create_directories(folder_);
    // Remove group permissions that the umask may have granted.
    fs::permissions(folder_, fs::perms::owner_all);
    write_text_atomically(file_of(key), hash_of(bytes) + std::string(bytes));
    fs::permissions(file_of(key), fs::perms::owner_read | fs::perms::owner_write);
  } catch (const std::exception& error) {
    logger().debug("cannot cache compiled GPU kernels: {}", error.what());
  }
}

}  // namespace roboimi::attnres::gpu
