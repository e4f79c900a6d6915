// Finds the episodes of a dataset, and says what a folder holds in their place.
#pragma once

#include <filesystem>
#include <vector>

namespace roboimi::hdf5_dataset {

// The files episode_N.hdf5 of a folder in the order of N, or the one file that `path` is. Hidden
// files are passed over. Error when there is none, which names what the folder looks like.
std::vector<std::filesystem::path> episode_files(const std::filesystem::path& path);

}  // namespace roboimi::hdf5_dataset
