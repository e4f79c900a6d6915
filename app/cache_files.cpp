#include "app/cache_files.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <string_view>

#include "roboimi/common/error.h"
#include "roboimi/common/paths.h"
#include "roboimi/common/process_lock.h"

namespace roboimi::app {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCacheFolderName = ".roboimi_cache";
constexpr int kDeepestCache = 4;        // LeRobot keeps its rows in data/chunk-000
constexpr std::size_t kKeyDigits = 32;  // hexadecimal, in names of cache files

// The names of one kind of cache file.
struct CacheName {
  const char* kind;
  const char* begin;
  const char* end;      // of a finished file, which is also the one that is locked
  const char* partial;  // end of an unfinished file, or nullptr
};

constexpr CacheName kCacheNames[] = {
    {"frames", "frames-", ".bin", nullptr},
    {"embeddings", "embeddings-", ".safetensors", ".partial"},
};

struct RecognizedName {
  std::string kind;
  std::string finished;  // name of the finished file
  bool unfinished = false;
};

bool is_key(std::string_view text) {
  return text.size() == kKeyDigits &&
         std::ranges::all_of(text, [](unsigned char c) { return std::isxdigit(c) != 0; });
}

// Also recognizes the temporary files ".NAME.tmp..." of a write that was interrupted.
std::optional<RecognizedName> recognize_cache_name(std::string name) {
  const std::size_t temporary = name.rfind(".tmp");
  const bool is_temporary = name.starts_with('.') && temporary != std::string::npos;
  if (is_temporary) name = name.substr(1, temporary - 1);
  for (const CacheName& known : kCacheNames) {
    for (const char* end : {known.end, known.partial}) {
      if (end == nullptr || !name.starts_with(known.begin) || !name.ends_with(end)) continue;
      const std::size_t begin = std::string_view(known.begin).size();
      const std::size_t size = name.size() - std::string_view(end).size();
      if (size < begin || !is_key(std::string_view(name).substr(begin, size - begin))) continue;
      return RecognizedName{.kind = known.kind,
                            .finished = name.substr(0, size) + known.end,
                            .unfinished = is_temporary || end == known.partial};
    }
  }
  return std::nullopt;
}

std::optional<CacheFile> describe_cache_file(const fs::path& path) {
  const auto name = recognize_cache_name(path.filename().string());
  struct stat status {};
  // A link is never a cache file.
  if (!name || ::lstat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  const std::time_t used = std::max(status.st_mtim.tv_sec, status.st_atim.tv_sec);
  return CacheFile{.file = path,
                   .lock = path.parent_path() / (name->finished + ".lock"),
                   .kind = name->kind,
                   .unfinished = name->unfinished,
                   .bytes = static_cast<std::uint64_t>(status.st_blocks) * 512,
                   .last_used = std::chrono::system_clock::from_time_t(used)};
}

void add_cache_folders(const fs::path& folder, int depth, std::vector<fs::path>& found) {
  std::error_code error;
  for (fs::directory_iterator entry(folder, error); entry != fs::directory_iterator();
       entry.increment(error)) {
    std::error_code ignored;
    if (!entry->is_directory(ignored) || entry->is_symlink(ignored)) continue;
    if (entry->path().filename() == kCacheFolderName) {
      found.push_back(entry->path());
    } else if (depth > 1) {
      add_cache_folders(entry->path(), depth - 1, found);
    }
  }
}

// A zarr store is one dataset, like a file: its caches are beside it.
bool is_zarr_store(const fs::path& folder) {
  std::error_code error;
  return fs::exists(folder / ".zgroup", error) || fs::exists(folder / "meta/episode_ends", error);
}

}  // namespace

std::vector<fs::path> cache_folders_of(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error)) {
    throw Error({.what = "there is no such folder",
                 .where = path.string(),
                 .expected = "data or a cache folder",
                 .next = "check the path"});
  }
  std::vector<fs::path> found;
  const bool is_folder = fs::is_directory(path, error);
  if (!is_folder || is_zarr_store(path)) {
    const fs::path beside = fs::absolute(path / "..").lexically_normal() / kCacheFolderName;
    if (fs::is_directory(beside, error)) found.push_back(beside);
  }
  if (!is_folder) return found;
  if (!cache_files_in(path).empty()) found.push_back(path);
  add_cache_folders(path, kDeepestCache, found);
  std::ranges::sort(found);
  return found;
}

std::vector<CacheFile> cache_files_in(const fs::path& folder) {
  std::vector<CacheFile> files;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error); entry != fs::directory_iterator();
       entry.increment(error)) {
    if (auto file = describe_cache_file(entry->path())) files.push_back(std::move(*file));
  }
  std::ranges::sort(files, {}, &CacheFile::file);
  return files;
}

Removal remove_cache_file(const CacheFile& file) {
  const auto lock = ProcessLock::try_take(file.lock);
  if (!lock) return Removal::kInUse;
  std::error_code error;
  fs::remove(file.file, error);
  if (error) {
    throw Error({.what = "cannot remove the file: " + error.message(),
                 .where = file.file.string(),
                 .next = "check the permissions of its folder"});
  }
  // A process that waits for this lock makes the file again: at worst, two processes make the same
  // file.
  fs::remove(file.lock, error);
  return Removal::kRemoved;
}

std::chrono::seconds parse_age(const std::string& text) {
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  const char unit = parsed.ptr != end ? *parsed.ptr : ' ';
  const std::int64_t factor = unit == 'm'   ? 60
                              : unit == 'h' ? 3600
                              : unit == 'd' ? 86400
                              : unit == 'w' ? 7 * 86400
                                            : 0;
  const bool fits = parsed.ec == std::errc() && parsed.ptr + 1 == end && factor > 0 &&
                    number >= 0 && number < 1'000'000;
  if (fits) return std::chrono::seconds(number * factor);
  throw Error({.what = "invalid age",
               .where = "--older-than",
               .expected = "a number with a unit, such as 30d (m, h, d or w)",
               .found = "'" + text + "'"});
}

std::string age_text(std::chrono::seconds age) {
  const std::int64_t count = std::max<std::int64_t>(0, age.count());
  const auto with_unit = [](std::int64_t number, const char* unit) {
    return fmt::format("{} {}{}", number, unit, number == 1 ? "" : "s");
  };
  if (count >= 2 * 86400) return with_unit(count / 86400, "day");
  if (count >= 2 * 3600) return with_unit(count / 3600, "hour");
  return with_unit(count / 60, "minute");
}

std::string size_text(std::uint64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (value >= 1e9) return fmt::format("{:.1f} GB", value / 1e9);
  if (value >= 1e6) return fmt::format("{:.1f} MB", value / 1e6);
  if (value >= 1e3) return fmt::format("{:.1f} kB", value / 1e3);
  return fmt::format("{} bytes", bytes);
}

}  // namespace roboimi::app
