#include "app/checkpoint_verify.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "roboimi/checkpoint/checkpoint.h"
#include "roboimi/checkpoint/checkpoint_folder.h"
#include "roboimi/common/error.h"

namespace roboimi::app {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> checkpoints_of(const fs::path& path) {
  if (fs::exists(path / "state.json")) return {path};
  std::vector<fs::path> found;
  for (const fs::path& folder : {path, path / kCheckpointsFolder}) {
    for (const CheckpointFolder& item : checkpoints_in(folder)) found.push_back(item.path);
  }
  // A pointer, or an Error that says what was looked for.
  if (found.empty()) found.push_back(find_checkpoint(path));
  return found;
}

// What is checked in one whose files are whole.
std::string extent(const fs::path& folder) {
  const CheckpointState state = read_checkpoint_state(folder);
  if (state.sha256.empty()) return "readable (saved without sums by an older version)";
  return fmt::format("ok ({} files and state.json are what was saved)", state.sha256.size());
}

}  // namespace

int verify_checkpoints(const std::vector<std::string>& paths) {
  if (paths.empty()) {
    throw Error({.what = "what to verify is missing",
                 .expected = "the folder of a checkpoint or of a run",
                 .next = "see roboimi checkpoint --help"});
  }
  bool is_whole = true;
  for (const std::string& path : paths) {
    for (const fs::path& folder : checkpoints_of(path)) {
      const std::vector<std::string> problems = problems_of_checkpoint(folder);
      std::cout << fmt::format("{}: {}\n", folder.string(),
                               problems.empty() ? extent(folder) : "DAMAGED");
      for (const std::string& problem : problems) std::cout << "  " << problem << "\n";
      is_whole = is_whole && problems.empty();
    }
  }
  return is_whole ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace roboimi::app
