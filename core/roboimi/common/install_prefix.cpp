#include "roboimi/common/install_prefix.h"

#include <dlfcn.h>

#include <fstream>
#include <string>

namespace roboimi {

namespace fs = std::filesystem;

fs::path install_prefix() {
  Dl_info info;
  if (dladdr(reinterpret_cast<const void*>(&install_prefix), &info) == 0) return {};
  std::error_code error;
  const fs::path library = fs::canonical(info.dli_fname, error);
  return error ? fs::path() : library.parent_path().parent_path();
}

fs::path source_tree(const fs::path& prefix) {
  if (prefix.empty()) return {};
  const std::string key = "CMAKE_HOME_DIRECTORY:INTERNAL=";
  std::ifstream cache(prefix / "CMakeCache.txt");
  for (std::string line; std::getline(cache, line);) {
    if (line.starts_with(key)) return line.substr(key.size());
  }
  return {};
}

}  // namespace roboimi
