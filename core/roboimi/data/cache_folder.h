// Where derived data lives, what names it, and how two processes take turns making it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "roboimi/common/export.h"
#include "roboimi/common/process_lock.h"
#include "roboimi/contract/dataset.h"

namespace roboimi {

// `<folder of the data>/.roboimi_cache` when it can be written, else $XDG_CACHE_HOME/roboimi or
// ~/.cache/roboimi. The folder is created. One that everybody may write to or that belongs to
// another user is passed over; beside the data the data's owner may own it. Error when none is
// left.
ROBOIMI_EXPORT std::filesystem::path cache_folder(const Dataset& dataset);

// The hash of what the data files (Dataset::files()) are: of each its absolute path, size and
// mtime, or with `hash_contents` its name and the SHA-256 of its bytes.
ROBOIMI_EXPORT std::string data_fingerprint(const Dataset& dataset, bool hash_contents);

// Takes `file`.lock, waiting for another holder; see ProcessLock::take().
ROBOIMI_EXPORT ProcessLock lock_cached_file(const std::filesystem::path& file,
                                            const std::function<bool()>& should_stop = {});

}  // namespace roboimi
