// The files of roboimi's caches: decoded frames and features of frozen encoders.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace roboimi::app {

struct CacheFile {
  std::filesystem::path file;
  std::filesystem::path lock;  // held by the process that makes the file
  std::string kind;            // "frames" or "embeddings"
  bool unfinished = false;     // left by a process that was stopped, or still being written
  std::uint64_t bytes = 0;     // on disk
  // The later of the times of the last change and the last reading, as far as the file system
  // records them.
  std::chrono::system_clock::time_point last_used;
};

// The caches of data at `path`: the cache folders in and below it (or beside it, if it is a file
// or a zarr store),
// or the folder itself if it is a cache. Throws Error if there is nothing at the path.
std::vector<std::filesystem::path> cache_folders_of(const std::filesystem::path& path);

// The cache files in a folder, by name. Other files, links and subfolders are ignored.
std::vector<CacheFile> cache_files_in(const std::filesystem::path& folder);

enum class Removal { kRemoved, kInUse };
// Removes the file and its lock, unless a process is making it. Throws Error if it cannot be
// removed.
Removal remove_cache_file(const CacheFile& file);

// "30d", "12h", "45m" or "2w". Throws Error for anything else.
std::chrono::seconds parse_age(const std::string& text);

// "3 days", "5 hours", "2 minutes".
std::string age_text(std::chrono::seconds age);

// "1.5 GB", "340 kB": powers of 1000.
std::string size_text(std::uint64_t bytes);

}  // namespace roboimi::app
