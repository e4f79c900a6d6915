// The folder, key and lock of cached data, such as decoded frames and embeddings.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "roboimi/common/export.h"
#include "roboimi/common/process_lock.h"
#include "roboimi/contract/dataset.h"

namespace roboimi {

// The cache folder of a dataset: `<folder of the data>/.roboimi_cache` if it is writable (the
// folder of the first episode, or a parent at most two levels up that holds all files), else
// $XDG_CACHE_HOME/roboimi or ~/.cache/roboimi. Creates the folder. A folder that is writable for
// every user or that belongs to another user is not used, except that .roboimi_cache may belong to
// the owner of the data. Throws Error if there is no usable folder.
ROBOIMI_EXPORT std::filesystem::path cache_folder(const Dataset& dataset);

// The folder that cache_folder() will return, without creating it. Throws the same Errors.
ROBOIMI_EXPORT std::filesystem::path planned_cache_folder(const Dataset& dataset);

// A hash that identifies the data files (Dataset::files()): the absolute path, size and mtime of
// each, or with `hash_contents` its name and the SHA-256 of its contents.
ROBOIMI_EXPORT std::string data_fingerprint(const Dataset& dataset, bool hash_contents);

// Locks `file`.lock, so that only one process makes the file. Waits while another process holds it;
// see ProcessLock::take().
ROBOIMI_EXPORT ProcessLock lock_cached_file(const std::filesystem::path& file,
                                            const std::function<bool()>& should_stop = {});

}  // namespace roboimi
