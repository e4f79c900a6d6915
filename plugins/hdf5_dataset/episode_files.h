// Search for the episode files of a dataset, with errors that describe what a folder contains
// instead.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "roboimi/contract/episode_selection.h"

namespace roboimi::hdf5_dataset {

// A dataset format that is not read here, and how to read it. Empty if it is not recognized.
struct FolderFormat {
  std::string name, next;
};
FolderFormat known_format(const std::filesystem::path& folder);

// The names of the files episode_N.hdf5 in a folder, ordered by N.
std::vector<std::string> episode_names(const std::filesystem::path& folder);

// The files episode_N.hdf5 of a folder whose N is selected, ordered by N, or `path` itself if it is
// a file (N is 0 if its name has another form). Hidden files are ignored. If there is none, an
// Error describes the folder's contents.
std::vector<std::filesystem::path> episode_files(const std::filesystem::path& path,
                                                 const EpisodeSelection& selection = {});

}  // namespace roboimi::hdf5_dataset
