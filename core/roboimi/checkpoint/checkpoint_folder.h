// The layout of a folder of checkpoints: its subfolders and its pointers.
//
//   step_00050000/            a checkpoint
//   latest -> step_00050000   a pointer to a checkpoint, as is `best`
//
// A pointer is normally a symbolic link. On a file system without links it is a file with one line,
// the name that it points to. In a run that was copied through zip, `cp -rL`, `rsync -L` or a hub
// it is a copy of the checkpoint. All three forms are read; the next save writes a link, or a file
// if the file system has no links.
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
// The step in "step_00050000"; empty for any other name.
std::optional<std::int64_t> step_of(const std::filesystem::path& folder);

// The folders step_NNNNNNNN in `folder`, including links to such folders, oldest first. If there
// are none: folders with other names that contain a checkpoint (step_00050000_good, a copied
// `latest`), identified by their state.json. Empty if `folder` is not a folder.
ROBOIMI_EXPORT std::vector<CheckpointFolder> checkpoints_in(const std::filesystem::path& folder);

// Whether the path has the name of a pointer: `latest` or `best`.
bool is_pointer(const std::filesystem::path& path);
// The checkpoint that a pointer refers to. If `latest` is a copy or broken, returns the newest
// checkpoint in the same folder. Empty if there is no checkpoint. Throws Error if `best` is broken.
std::optional<std::filesystem::path> pointed_at(const std::filesystem::path& pointer);
// Points a pointer at a checkpoint in the same folder, atomically. If the pointer is a copy of a
// checkpoint, the copy is removed if the original exists, and renamed otherwise.
void point_at(const std::filesystem::path& pointer, const std::filesystem::path& target);

// Removes the temporary files of killed processes from a folder of checkpoints, identified by
// their names. Nothing else is changed, and no link is followed.
void clear_leftovers(const std::filesystem::path& folder);
// Restores the names of checkpoints whose replacement was interrupted by the end of the process.
void restore_replaced(const std::filesystem::path& folder);

}  // namespace roboimi
