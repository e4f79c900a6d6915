#include "roboimi/common/temporary_names.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <regex>
#include <string>
#include <vector>

namespace roboimi {
namespace {

namespace fs = std::filesystem;

// Eight digits that identify this boot of this machine and the namespace of the process IDs: two
// containers on a machine may each have a process 7.
const std::string& boot_tag() {
  static const std::string tag = [] {
    std::ifstream file("/proc/sys/kernel/random/boot_id");
    std::string text;
    file >> text;
    text.resize(8, '0');
    auto number = static_cast<std::uint32_t>(std::strtoul(text.c_str(), nullptr, 16));
    struct stat names {};
    if (::stat("/proc/self/ns/pid", &names) == 0)
      number ^= static_cast<std::uint32_t>(names.st_ino);
    std::array<char, 9> digits{};
    std::snprintf(digits.data(), digits.size(), "%08x", number);
    return std::string(digits.data());
  }();
  return tag;
}

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

std::string prefix_of(const fs::path& path) { return "." + path.filename().string() + ".tmp"; }

bool is_old(const fs::path& file) {
  std::error_code error;
  const auto written = fs::last_write_time(file, error);
  return !error && fs::file_time_type::clock::now() - written > std::chrono::hours(24);
}

// Whether the process that made a temporary file has ended. `end` is the part of the name after the
// prefix: the process ID and, except in old names, boot_tag() and the random number.
bool is_leftover(const fs::path& file, const std::string& end) {
  static const std::regex pattern("([0-9]{1,10})(-([0-9a-f]{8})-[0-9a-f]{8})?");
  std::smatch match;
  if (!std::regex_match(end, match, pattern)) return false;
  if (match[3].matched && match[3] != boot_tag()) return is_old(file);
  const auto process = static_cast<pid_t>(std::stoll(match[1]));
  return process > 0 && ::kill(process, 0) != 0 && errno == ESRCH;
}

}  // namespace

fs::path temporary_name(const fs::path& path) {
  thread_local std::random_device random;
  std::array<char, 64> end{};
  std::snprintf(end.data(), end.size(), "%d-%s-%08x", static_cast<int>(::getpid()),
                boot_tag().c_str(), random());
  return folder_of(path) / (prefix_of(path) + end.data());
}

void remove_leftovers_of(const fs::path& path) {
  const std::string prefix = prefix_of(path);
  std::vector<fs::path> leftovers;
  std::error_code error;
  for (const auto& item : fs::directory_iterator(folder_of(path), error)) {
    const std::string name = item.path().filename().string();
    if (!name.starts_with(prefix)) continue;
    const bool is_file = item.is_symlink(error) || item.is_regular_file(error);
    if (is_file && is_leftover(item.path(), name.substr(prefix.size()))) leftovers.push_back(item);
  }
  for (const fs::path& leftover : leftovers) fs::remove(leftover, error);
}

}  // namespace roboimi
