// Recognizes data of other formats, for errors about a path that is no LeRobot dataset.
#pragma once

#include <filesystem>
#include <string>

namespace roboimi::lerobot_dataset {

struct OtherFormat {
  std::string found;  // "episode_0.hdf5 (ACT's layout)"; empty: nothing known
  std::string next;   // how to read it
};

// By the names of the files in a folder, or by the name of a file.
OtherFormat other_format(const std::filesystem::path& path);

}  // namespace roboimi::lerobot_dataset
