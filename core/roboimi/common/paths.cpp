#include "roboimi/common/paths.h"

#include <pwd.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

namespace roboimi {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kAccountBytes = 16384;  // of one line of /etc/passwd

fs::path folder_of(const passwd* account) {
  return account != nullptr && account->pw_dir != nullptr ? account->pw_dir : "";
}

fs::path home_of_user(const std::string& name) {
  passwd account{};
  passwd* found = nullptr;
  std::array<char, kAccountBytes> buffer;
  ::getpwnam_r(name.c_str(), &account, buffer.data(), buffer.size(), &found);
  return folder_of(found);
}

}  // namespace

fs::path home_folder() {
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') return home;
  passwd account{};
  passwd* found = nullptr;
  std::array<char, kAccountBytes> buffer;
  ::getpwuid_r(::getuid(), &account, buffer.data(), buffer.size(), &found);
  return folder_of(found);
}

fs::path expand_home(const fs::path& path) {
  const std::string text = path.string();
  if (!text.starts_with('~')) return path;
  const std::size_t end = text.find('/');
  const std::string user = text.substr(1, end == std::string::npos ? end : end - 1);
  const fs::path home = user.empty() ? home_folder() : home_of_user(user);
  if (home.empty()) return path;
  const std::size_t rest = end == std::string::npos ? end : text.find_first_not_of('/', end);
  return rest == std::string::npos ? home : home / text.substr(rest);
}

fs::path absolute_path(const fs::path& path) {
  if (path.empty()) return path;
  fs::path tidy;
  // `a/../b` stays: with a link at `a` it is not `b`.
  for (const fs::path& part : fs::absolute(expand_home(path))) {
    if (part != ".") tidy /= part;
  }
  return tidy;
}

}  // namespace roboimi
