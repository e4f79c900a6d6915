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
  // A link to a checkpoint, or else an Error with what was searched.
  if (found.empty()) found.push_back(find_checkpoint(path));
  return found;
}

// The result for an undamaged checkpoint.
std::string verified_text(const fs::path& folder) {
  const CheckpointState state = read_checkpoint_state(folder);
  if (state.sha256.empty()) return "readable (an older version saved it without checksums)";
  return fmt::format("ok ({} files and state.json are unchanged)", state.sha256.size());
}

}  // namespace

int verify_checkpoints(const std::vector<std::string>& paths) {
  if (paths.empty()) {
    throw Error({.what = "nothing to verify",
                 .expected = "a checkpoint folder or a run folder",
                 .next = "see roboimi checkpoint --help"});
  }
  bool is_whole = true;
  for (const std::string& path : paths) {
    for (const fs::path& folder : checkpoints_of(path)) {
      const std::vector<std::string> problems = problems_of_checkpoint(folder);
      std::cout << fmt::format("{}: {}\n", folder.string(),
                               problems.empty() ? verified_text(folder) : "DAMAGED");
      for (const std::string& problem : problems) std::cout << "  " << problem << "\n";
      is_whole = is_whole && problems.empty();
    }
  }
  return is_whole ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace roboimi::app
