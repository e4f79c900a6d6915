#include "app/evaluation_output.h"

#include <regex>
#include <vector>

#include "app/common_options.h"

namespace roboimi::app {
namespace {

namespace fs = std::filesystem;

// The files of an evaluation without its summary, which is written last. Empty if the folder holds
// any other file.
std::vector<fs::path> unfinished_files(const fs::path& folder) {
  static const std::regex own(
      R"(episodes\.csv|trajectory_[0-9]{3,}\.(csv|png)|episode_[0-9]{3,}\.mp4)"
      R"(|\.(episodes|trajectory_[0-9]+|episode_[0-9]+)\.(csv|png|mp4)\..*)");
  std::vector<fs::path> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const bool is_file = entry.symlink_status(error).type() == fs::file_type::regular;
    if (!is_file || !std::regex_match(entry.path().filename().string(), own)) return {};
    files.push_back(entry.path());
  }
  return files;
}

}  // namespace

void require_output_folder(const fs::path& folder) {
  if (unfinished_files(folder).empty()) require_new_folder(folder, "--output");
}

void clear_unfinished_evaluation(const fs::path& folder) {
  for (const fs::path& file : unfinished_files(folder)) fs::remove(file);
}

}  // namespace roboimi::app
