// Where derived data lives, what names it, and how two processes take turns making it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "roboimi/common/export.h"
#include "roboimi/data/dataset.h"

namespace roboimi {

// `<folder of the data>/.roboimi_cache` when it can be written, else $XDG_CACHE_HOME/roboimi or
// ~/.cache/roboimi. The folder is created. Error when neither can be written.
ROBOIMI_EXPORT std::filesystem::path cache_folder(const Dataset& dataset);

// The hash of what the data files (Dataset::files()) are: of each its absolute path, size and
// mtime, or with `hash_contents` its name and the SHA-256 of its bytes.
ROBOIMI_EXPORT std::string data_fingerprint(const Dataset& dataset, bool hash_contents);

// Holds `file`.lock exclusively while alive. The lock goes with the process, however that ends.
class ROBOIMI_EXPORT FileLock {
 public:
  // Waits for another holder, asking `should_stop` every 50 ms (true: Error "interrupted").
  explicit FileLock(const std::filesystem::path& file,
                    const std::function<bool()>& should_stop = {});
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int descriptor_ = -1;
};

}  // namespace roboimi
