#include "roboimi/common/memory.h"

#include <fmt/format.h>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <string_view>

#include "roboimi/common/error.h"

namespace roboimi {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kUnlimited = std::numeric_limits<std::uint64_t>::max();

// The number at the start of a kernel file; empty for "max" and if there is no such file.
std::optional<std::uint64_t> number_in(const fs::path& file) {
  std::ifstream in(file);
  std::uint64_t number = 0;
  if (in >> number) return number;
  return std::nullopt;
}

// The number after `key` in a kernel file of lines "KEY NUMBER [UNIT]"; empty if there is none.
std::optional<std::uint64_t> number_in(const fs::path& file, std::string_view key) {
  std::ifstream in(file);
  std::string name, unit;
  std::uint64_t number = 0;
  while (in >> name >> number) {
    if (name == key) return number;
    std::getline(in, unit);
  }
  return std::nullopt;
}

std::uint64_t free_on_machine() {
  const auto kibibytes = number_in("/proc/meminfo", "MemAvailable:");
  return kibibytes ? *kibibytes * 1024 : kUnlimited;
}

// The control group of this process and those above it each may have a limit.
std::uint64_t left_in_control_groups() {
  const fs::path root = "/sys/fs/cgroup";
  std::ifstream in("/proc/self/cgroup");
  std::string line, group = "/";
  while (std::getline(in, line)) {
    if (line.starts_with("0::/")) group = line.substr(3);
  }
  std::uint64_t left = left_in_control_group(root);
  // In a container the path may be that of the host, which does not exist here.
  for (fs::path folder = root.string() + group; folder != root; folder = folder.parent_path()) {
    left = std::min(left, left_in_control_group(folder));
  }
  return left;
}

std::uint64_t left_of_own_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return kUnlimited;
  const std::uint64_t pages = number_in("/proc/self/statm").value_or(0);
  const std::uint64_t used = pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return limit.rlim_cur - std::min<std::uint64_t>(limit.rlim_cur, used);
}

}  // namespace

std::uint64_t left_in_control_group(const fs::path& folder) {
  const auto limit = number_in(folder / "memory.max");
  const auto used = number_in(folder / "memory.current");
  if (!limit || !used) return kUnlimited;
  // The kernel frees the pages of files when memory is needed.
  const std::uint64_t files = number_in(folder / "memory.stat", "active_file").value_or(0) +
                              number_in(folder / "memory.stat", "inactive_file").value_or(0);
  return *limit - std::min(*limit, *used - std::min(*used, files));
}

std::uint64_t available_memory() {
  return std::min({free_on_machine(), left_in_control_groups(), left_of_own_limit()});
}

void require_memory(double bytes, const std::string& what, const std::string& where,
                    const std::string& next) {
  const auto available = static_cast<double>(available_memory());
  if (bytes <= available) return;
  throw Error({.what = "not enough memory for " + what,
               .where = where,
               .expected = fmt::format("{:.1f} GB", bytes / 1e9),
               .found = fmt::format("{:.1f} GB available", available / 1e9),
               .next = next});
}

void keep_freed_memory() {
#if defined(__GLIBC__)
  ::mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the largest value allowed
  ::mallopt(M_TRIM_THRESHOLD, -1);        // never
#endif
}

}  // namespace roboimi
