// meta/info.json: the version, rate, features and file names of a LeRobot dataset.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "plugins/lerobot_dataset/path_template.h"

namespace roboimi::lerobot_dataset {

// A named column or video.
struct Feature {
  std::string name;                      // "observation.images.front"
  std::string dtype;                     // "float32", "video", "string", ...
  std::vector<std::int64_t> shape = {};  // of one row; empty: a scalar, or unknown
  std::vector<std::string> names = {};   // of the elements, or of an image's axes; empty: unknown
  bool is_depth = false;                 // a video of distances

  bool is_camera() const { return dtype == "image" || dtype == "video"; }
  bool is_number() const;         // floats, integers or booleans
  std::int64_t width() const;     // elements of a row
  std::string described() const;  // "float32 [14]"
};

struct InfoFile {
  std::filesystem::path file;
  std::string version;              // "v3.0"
  bool is_v3 = false;               // many episodes per file
  double fps = 0.0;                 // finite and positive
  std::int64_t chunks_size = 1000;  // files or, before v3, episodes per chunk
  std::optional<std::int64_t> total_episodes = {}, total_frames = {};
  std::vector<Feature> features = {};  // in the order of the file
  PathTemplate data_path = {}, video_path = {};

  std::filesystem::path folder() const { return file.parent_path().parent_path(); }
  // nullptr if there is no such feature.
  const Feature* find(const std::string& name) const;
};

// Reads the info.json of a folder. Throws Error if there is none, or for an unknown version, a rate
// that is not a finite positive number, and features without dtype.
InfoFile read_info(const std::filesystem::path& folder);

}  // namespace roboimi::lerobot_dataset
