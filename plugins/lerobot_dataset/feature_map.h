// Which features of a dataset become which streams, by default rules and by the options.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "plugins/lerobot_dataset/findings.h"
#include "plugins/lerobot_dataset/info_file.h"
#include "plugins/lerobot_dataset/lerobot_dataset.h"
#include "plugins/lerobot_dataset/modality.h"

namespace roboimi::lerobot_dataset {

// Features of recorded labels, see Dataset::labels().
inline constexpr char kLabelPrefix[] = "label.";

struct CameraFeature {
  std::string stream;
  Feature feature;
};

// A vector made of one or several features, one after the other.
struct VectorFeature {
  std::string stream;
  std::vector<Feature> parts;

  std::int64_t width() const;
  std::vector<std::string> element_names() const;  // empty unless every part names its elements
};

struct FeatureMap {
  std::vector<CameraFeature> cameras = {};  // in the order of camera_names, or of info.json
  std::vector<VectorFeature> vectors = {};  // state and env_state first, if there are any
  VectorFeature actions = {};
  std::vector<Feature> texts = {};   // strings to load as streams of their names
  std::optional<Feature> task = {};  // integers that name a task, or strings

  std::set<std::string> used() const;  // names of all of these features
};

// The name of a camera's stream: "observation.images.front" and "observation.front" -> "front". The
// names of other streams, such as "state", are not given to cameras.
std::string short_name(const std::string& feature);

// Throws Error, listing the features, if an option names one that does not exist or does not fit,
// or if the rules find no actions, or no state although there are vectors that could be the state.
FeatureMap choose_features(const InfoFile& info, const Modality& modality,
                           const DatasetOptions& options, Findings& findings);

}  // namespace roboimi::lerobot_dataset
