// meta/modality.json of GR00T's flavor of LeRobot datasets: other names of the cameras, and named
// slices of state and action, which are only checked.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "plugins/lerobot_dataset/findings.h"
#include "plugins/lerobot_dataset/info_file.h"

namespace roboimi::lerobot_dataset {

struct Modality {
  std::optional<std::filesystem::path> file;   // unset: the dataset has none
  std::map<std::string, std::string> cameras;  // other name -> feature
};

// Throws Error if the file is damaged or a slice ends beyond its vector.
Modality read_modality(const InfoFile& info, Findings& findings);

}  // namespace roboimi::lerobot_dataset
