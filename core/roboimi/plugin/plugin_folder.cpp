#include "roboimi/plugin/plugin_folder.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "roboimi/common/install_prefix.h"
#include "roboimi/common/paths.h"
#include "roboimi/plugin/registry.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

std::string who_else_can_write_to(const fs::path& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) return "";
  if ((status.st_mode & S_IWOTH) != 0) {
    return fmt::format("every user can write to {}", path.string());
  }
  if (status.st_uid != 0 && status.st_uid != ::geteuid()) {
    return fmt::format("{} belongs to user {}", path.string(), status.st_uid);
  }
  return "";
}

}  // namespace

fs::path tidy(const fs::path& written) {
  const fs::path file = expand_home(written.string());
  std::error_code ignored;
  const fs::path canonical = fs::canonical(file, ignored);
  return canonical.empty() ? fs::absolute(file) : canonical;
}

std::vector<fs::path> libraries_in(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code ignored;
    if (entry->path().extension() == ".so" && !entry->is_directory(ignored)) {
      files.push_back(entry->path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string who_else_can_write(const fs::path& file) {
  const std::string folder = who_else_can_write_to(file.parent_path());
  return folder.empty() ? who_else_can_write_to(file) : folder;
}

std::vector<fs::path> plugin_search_path(const std::vector<fs::path>& plugin_dirs) {
  std::vector<fs::path> folders;
  const auto add = [&](const fs::path& folder) {
    const fs::path tidied = tidy(folder);
    if (std::ranges::find(folders, tidied) == folders.end()) folders.push_back(tidied);
  };
  for (const fs::path& folder : plugin_dirs) add(folder);
  if (const char* variable = std::getenv("ROBOIMI_PLUGIN_PATH")) {
    std::stringstream list(variable);
    for (std::string folder; std::getline(list, folder, ':');) {
      if (!folder.empty()) add(folder);
    }
  }
  const fs::path prefix = install_prefix();
  if (!prefix.empty()) add(prefix / "lib" / "roboimi" / "plugins");
  return folders;
}

}  // namespace roboimi
