// Detection of a dataset's format from the names of its files.
//
//   const DetectedData found = detect_data("data/sim_transfer");   // hdf5_dataset
#pragma once

#include <filesystem>
#include <string>

namespace roboimi::app {

struct DetectedData {
  std::string component;       // the dataset component that reads the format
  std::filesystem::path path;  // its option `path`
};

// `path`: a folder or file. A folder that is not a dataset but holds exactly one, such as a single
// file of robomimic or a snapshot of the Hugging Face hub, stands for that one. Throws Error if
// there is nothing at the path, or if no format or several datasets are found.
DetectedData detect_data(const std::filesystem::path& path);

}  // namespace roboimi::app
