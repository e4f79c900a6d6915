#include "roboimi/common/memory.h"

#include <fmt/format.h>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>

#include "roboimi/common/error.h"

namespace roboimi {
namespace {

constexpr std::uint64_t kUnlimited = std::numeric_limits<std::uint64_t>::max();

// The number at the start of a kernel file; empty for "max" and if there is no such file.
std::optional<std::uint64_t> number_in(const char* file) {
  std::ifstream in(file);
  std::uint64_t number = 0;
  if (in >> number) return number;
  return std::nullopt;
}

std::uint64_t free_on_machine() {
  std::ifstream in("/proc/meminfo");
  std::string key, unit;
  std::uint64_t kibibytes = 0;
  while (in >> key >> kibibytes) {
    if (key == "MemAvailable:") return kibibytes * 1024;
    std::getline(in, unit);
  }
  return kUnlimited;
}

std::uint64_t left_in_control_group() {
  const auto limit = number_in("/sys/fs/cgroup/memory.max");
  const auto used = number_in("/sys/fs/cgroup/memory.current");
  if (!limit || !used) return kUnlimited;
  return *limit - std::min(*limit, *used);
}

std::uint64_t left_of_own_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return kUnlimited;
  const std::uint64_t pages = number_in("/proc/self/statm").value_or(0);
  const std::uint64_t used = pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return limit.rlim_cur - std::min<std::uint64_t>(limit.rlim_cur, used);
}

}  // namespace

std::uint64_t available_memory() {
  return std::min({free_on_machine(), left_in_control_group(), left_of_own_limit()});
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
