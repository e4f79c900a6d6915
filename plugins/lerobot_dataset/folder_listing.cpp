#include "plugins/lerobot_dataset/folder_listing.h"

#include <algorithm>

#include "roboimi/common/error.h"

namespace roboimi::lerobot_dataset {
namespace {

namespace fs = std::filesystem;

Error cannot_read(const fs::path& path, const std::error_code& error) {
  return Error({.what = "cannot read: " + error.message(),
                .where = path.string(),
                .next = "check the permissions of the file and of its folders"});
}

bool is_missing(const std::error_code& error) {
  return error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory;
}

}  // namespace

bool can_be_found(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::none && !is_missing(error)) throw cannot_read(path, error);
  return fs::exists(status);
}

std::vector<fs::path> files_below(const fs::path& folder, const std::string& extension) {
  std::vector<fs::path> files;
  if (!can_be_found(folder) || !fs::is_directory(folder)) return files;
  try {
    const auto options = fs::directory_options::follow_directory_symlink;
    for (auto entry = fs::recursive_directory_iterator(folder, options);
         entry != fs::recursive_directory_iterator(); ++entry) {
      const std::string name = entry->path().filename().string();
      std::error_code error;
      if (name.starts_with(".")) {
        if (entry->is_directory(error)) entry.disable_recursion_pending();
        continue;
      }
      if (entry->path().extension() == extension) files.push_back(entry->path());
    }
  } catch (const fs::filesystem_error& error) {
    throw cannot_read(error.path1().empty() ? folder : error.path1(), error.code());
  }
  std::ranges::sort(files);
  return files;
}

}  // namespace roboimi::lerobot_dataset
