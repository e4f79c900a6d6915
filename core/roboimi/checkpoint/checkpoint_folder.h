// The names in a folder of checkpoints.
//
//   step_00050000/            a checkpoint
//   latest -> step_00050000   and `best`: pointers to one
//
// A pointer is a link. Where the file system has none it is a file of one line, the name that it
// points to; and a run that went through zip, `cp -rL`, `rsync -L` or a hub has a copy of the
// checkpoint in its place. All three are read, and the next save makes what the file system allows.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "roboimi/common/export.h"

namespace roboimi {

struct CheckpointFolder {
  std::filesystem::path path;
  std::int64_t step = 0;
};

// "step_00050000".
ROBOIMI_EXPORT std::string step_name(std::int64_t step);
// The step in "step_00050000"; nothing for any other name.
std::optional<std::int64_t> step_of(const std::filesystem::path& folder);

// The folders step_NNNNNNNN in a folder, links to them included, oldest first. Where there are
// none, folders of other names that hold a checkpoint (step_00050000_good, a copied `latest`), by
// their state.json. Empty when `folder` is none.
ROBOIMI_EXPORT std::vector<CheckpointFolder> checkpoints_in(const std::filesystem::path& folder);

// Whether this is a name of a pointer: `latest` or `best`.
bool is_pointer(const std::filesystem::path& path);
// What a pointer stands for now: of `latest` the newest checkpoint beside it when it is a copy or
// points nowhere. Nothing when there is no checkpoint. Error when `best` points nowhere.
std::optional<std::filesystem::path> pointed_at(const std::filesystem::path& pointer);
// Lets a pointer point at a sibling, replacing it in one step. A copy in its place is removed when
// the checkpoint that it repeats is there, and otherwise gets a name of its own.
void point_at(const std::filesystem::path& pointer, const std::filesystem::path& target);

// Removes what a killed process left in a folder of checkpoints, by the names that roboimi gives;
// nothing else is touched, and no link is followed.
void clear_leftovers(const std::filesystem::path& folder);
// Gives a checkpoint its name back that a process was killed while replacing.
void restore_replaced(const std::filesystem::path& folder);

}  // namespace roboimi
