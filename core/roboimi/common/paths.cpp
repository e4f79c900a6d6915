#include "roboimi/common/paths.h"

#include <linux/magic.h>
#include <pwd.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "roboimi/common/error.h"
#include "roboimi/common/text.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

// Length reserved for paths in a run's folder: rollouts/step_00000000/trajectory_000.png and
// temporary names of checkpoints.
constexpr std::size_t kRoomBelow = 160;
// See temporary_name(): ".NAME.tmp1234567890-1a2b3c4d-9f3ac2d1".
constexpr std::size_t kRoomForTemporary = 33;

// The home folder of `user` in the user database; empty if there is none. An empty `user` means the
// user of this process.
std::string home_of(const std::string& user) {
  std::array<char, 16384> buffer;
  passwd entry{};
  passwd* found = nullptr;
  if (user.empty()) {
    ::getpwuid_r(::getuid(), &entry, buffer.data(), buffer.size(), &found);
  } else {
    ::getpwnam_r(user.c_str(), &entry, buffer.data(), buffer.size(), &found);
  }
  return found != nullptr && found->pw_dir != nullptr ? found->pw_dir : "";
}

}  // namespace

fs::path home_folder() {
  const char* home = std::getenv("HOME");
  return home != nullptr && *home != '\0' ? home : home_of("");
}

fs::path user_cache_folder() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr) {
    const fs::path folder = expand_home(cache);
    if (folder.is_absolute()) return folder / "roboimi";
  }
  const fs::path home = home_folder();
  return home.is_absolute() ? home / ".cache" / "roboimi" : fs::path();
}

std::string expand_home(std::string_view path) {
  if (!path.starts_with('~')) return std::string(path);
  const std::string_view user = path.substr(1, path.find('/') - 1);
  const std::string_view rest = path.substr(1 + user.size());
  const std::string home = user.empty() ? home_folder().string() : home_of(std::string(user));
  if (!home.empty()) return home + std::string(rest);
  throw Error({.what = user.empty() ? "cannot expand '~': the home folder is unknown"
                                    : "no user '" + printable(user) + "'",
               .where = printable(path),
               .expected = "~/FOLDER, ~USER/FOLDER or a path that does not begin with '~'",
               .next = user.empty() ? "set HOME, or write the full path"
                                    : "for a file with this name write ./" + printable(path)});
}

fs::path absolute_path(const fs::path& path) {
  if (path.empty()) return path;
  fs::path tidy;
  // Keep `a/../b`: it differs from `b` if `a` is a link.
  for (const fs::path& part : fs::absolute(expand_home(path.string()))) {
    if (part != ".") tidy /= part;
  }
  return tidy;
}

fs::path nearest_existing(const fs::path& folder) {
  fs::path existing = fs::absolute(folder).lexically_normal();
  if (!existing.has_filename()) existing = existing.parent_path();
  std::error_code error;
  while (!fs::exists(existing, error) && existing.has_relative_path()) {
    existing = existing.parent_path();
  }
  return existing;
}

void require_writable_folder(const fs::path& folder, const std::string& named_by) {
  const auto fail = [&](const std::string& what, const std::string& expected,
                        const std::string& found) {
    throw Error({.what = named_by + ": " + what,
                 .where = printable(folder.string()),
                 .expected = expected,
                 .found = found,
                 .next = "choose another folder"});
  };
  // Check the length of the path.
  if (folder.empty()) fail("an empty path", "a folder", "");
  for (const fs::path& name : folder) {
    if (name.native().size() <= NAME_MAX) continue;
    fail("a name in the path is too long", "at most " + std::to_string(NAME_MAX) + " bytes",
         std::to_string(name.native().size()));
  }
  const std::size_t length = fs::absolute(folder).native().size();
  if (length + kRoomBelow > PATH_MAX) {
    fail("the path is too long", "at most " + std::to_string(PATH_MAX - kRoomBelow) + " bytes",
         std::to_string(length));
  }
  // Check the permissions.
  const fs::path existing = nearest_existing(folder);
  if (!fs::is_directory(existing)) fail("not a folder", "a folder", existing.string() + ", a file");
  if (::access(existing.c_str(), W_OK | X_OK) != 0) {
    fail(std::string("cannot be written: ") + std::strerror(errno),
         "write permission in " + printable(existing.string()), "");
  }
  // The permissions of /proc and /sys do not say that nothing can be created there.
  struct statfs file_system {};
  if (::statfs(existing.c_str(), &file_system) != 0) return;
  if (file_system.f_type == PROC_SUPER_MAGIC || file_system.f_type == SYSFS_MAGIC) {
    fail("cannot create files in " + printable(existing.string()), "a folder on a disk", "");
  }
}

void require_writable_file(const fs::path& file, const std::string& named_by) {
  std::error_code error;
  if (!fs::is_directory(file, error) && file.has_filename()) {
    const fs::path folder = file.parent_path();
    require_writable_folder(folder.empty() ? fs::path(".") : folder, named_by);
    if (file.filename().native().size() + kRoomForTemporary <= NAME_MAX) return;
    throw Error({.what = named_by + ": the file's name is too long",
                 .where = printable(file.string()),
                 .expected = "at most " + std::to_string(NAME_MAX - kRoomForTemporary) + " bytes",
                 .found = std::to_string(file.filename().native().size())});
  }
  throw Error({.what = named_by + ": not a file",
               .where = printable(file.string()),
               .expected = "the name of a file to write",
               .found = "a folder"});
}

std::string shell_quote(const std::string& word) {
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string shell_word(const std::string& word) {
  const auto is_plain = [](char letter) {
    return std::isalnum(static_cast<unsigned char>(letter)) != 0 ||
           std::strchr("_-./=:,+@%", letter) != nullptr;
  };
  bool plain = !word.empty();
  for (const char letter : word) plain = plain && letter != '\0' && is_plain(letter);
  return plain ? word : shell_quote(word);
}

}  // namespace roboimi
