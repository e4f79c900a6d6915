#include "plugins/lerobot_dataset/feature_map.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

#include "roboimi/common/error.h"
#include "roboimi/config/did_you_mean.h"
#include "roboimi/contract/observation.h"

namespace roboimi::lerobot_dataset {
namespace {

constexpr char kNone[] = "none";
constexpr std::array<std::string_view, 2> kStateNames = {"observation.state", "state"};
constexpr std::array<std::string_view, 2> kActionNames = {"action", "actions"};
constexpr char kEnvStateName[] = "observation.environment_state";
constexpr std::array<std::string_view, 5> kBookkeeping = {"timestamp", "frame_index",
                                                          "episode_index", "index", "task_index"};

// Features that do not become vector streams by default.
bool is_bookkeeping(const Feature& feature) {
  return std::ranges::find(kBookkeeping, feature.name) != kBookkeeping.end() ||
         feature.name.starts_with("annotation.") || feature.name.starts_with("next.") ||
         feature.name.starts_with(kLabelPrefix);
}

std::string listed(const std::vector<Feature>& features) {
  std::vector<std::string> lines;
  for (const Feature& feature : features) {
    if (!is_bookkeeping(feature)) lines.push_back(feature.name + " " + feature.described());
  }
  return lines.empty() ? "none" : fmt::format("{}", fmt::join(lines, ", "));
}

class Chooser {
 public:
  Chooser(const InfoFile& info, const Modality& modality, const DatasetOptions& options,
          Findings& findings)
      : info_(info), modality_(modality), options_(options), findings_(findings) {}

  FeatureMap choose() {
    choose_cameras();
    choose_state();
    map_.actions = {.stream = "actions",
                    .parts = named_or_default("actions", options_.actions, kActionNames, true)};
    choose_streams();
    choose_task();
    note_unused();
    return std::move(map_);
  }

 private:
  [[noreturn]] void fail(const std::string& what, const std::string& expected,
                         const std::string& next) const {
    throw Error({.what = what,
                 .where = info_.file.string(),
                 .expected = expected,
                 .found = listed(info_.features),
                 .next = next});
  }

  const Feature& feature(const std::string& name, const std::string& option) const {
    if (const Feature* found = info_.find(name)) return *found;
    std::vector<std::string> names;
    for (const Feature& known : info_.features) names.push_back(known.name);
    fail(fmt::format("there is no feature '{}'", name), "features of the dataset",
         did_you_mean(name, names, fmt::format("set data.{} to one of them", option)));
  }

  const Feature& vector(const std::string& name, const std::string& option) const {
    const Feature& found = feature(name, option);
    if (found.is_number() && found.width() > 0) return found;
    fail(fmt::format("the feature '{}' is {} and not a vector", name, found.described()),
         "floats, integers or booleans", fmt::format("set data.{} to a vector", option));
  }

  // Cameras by dtype. Depth cannot be decoded to RGB; such cameras are skipped, with a log line
  // that names them.
  void choose_cameras() {
    std::vector<CameraFeature> all;
    std::vector<std::string> depth;
    for (const Feature& candidate : info_.features) {
      if (!candidate.is_camera()) continue;
      if (candidate.is_depth) {
        depth.push_back(candidate.name);
      } else {
        all.push_back({.stream = short_name(candidate.name), .feature = candidate});
      }
    }
    use_full_names_of_twins(all);
    if (!depth.empty()) {
      findings_.note(fmt::format("{}: skipped depth cameras: {}", info_.folder().string(),
                                 fmt::join(depth, ", ")));
    }
    if (options_.camera_names.empty()) {
      map_.cameras = std::move(all);
    } else {
      for (const std::string& name : options_.camera_names) {
        map_.cameras.push_back({.stream = name, .feature = camera(name, all, depth)});
      }
    }
  }

  static void use_full_names_of_twins(std::vector<CameraFeature>& cameras) {
    for (CameraFeature& camera : cameras) {
      const bool has_twin = std::ranges::count(cameras, camera.stream, &CameraFeature::stream) > 1;
      if (!has_twin) continue;
      const std::string twin = camera.stream;
      for (CameraFeature& other : cameras) {
        if (other.stream == twin) other.stream = other.feature.name;
      }
    }
  }

  // A camera by its stream's name, its feature's, or its name in modality.json.
  Feature camera(const std::string& name, const std::vector<CameraFeature>& all,
                 const std::vector<std::string>& depth) const {
    for (const CameraFeature& known : all) {
      if (known.stream == name || known.feature.name == name) return known.feature;
    }
    if (const auto alias = modality_.cameras.find(name); alias != modality_.cameras.end()) {
      for (const CameraFeature& known : all) {
        if (known.feature.name == alias->second) return known.feature;
      }
    }
    std::vector<std::string> names;
    for (const CameraFeature& known : all) names.push_back(known.stream);
    const bool is_depth = std::ranges::any_of(depth, [&](const std::string& feature) {
      return feature == name || short_name(feature) == name;
    });
    throw Error(
        {.what = is_depth ? fmt::format("camera '{}' records depth, which is not supported", name)
                          : fmt::format("camera '{}' is missing", name),
         .where = info_.file.string(),
         .expected = fmt::format("{}", fmt::join(options_.camera_names, ", ")),
         .found = names.empty() ? "no cameras" : fmt::format("{}", fmt::join(names, ", ")),
         .next = did_you_mean(name, names, "set data.camera_names to cameras of the dataset")});
  }

  // The features that the option names, else the first of `defaults` that exists.
  template <std::size_t N>
  std::vector<Feature> named_or_default(const std::string& option,
                                        const std::vector<std::string>& chosen,
                                        const std::array<std::string_view, N>& defaults,
                                        bool is_required) const {
    std::vector<Feature> features;
    for (const std::string& name : chosen) features.push_back(vector(name, option));
    if (!features.empty()) return features;
    for (const std::string_view name : defaults) {
      if (info_.find(std::string(name)) != nullptr) return {vector(std::string(name), option)};
    }
    if (is_required) {
      fail(fmt::format("no feature is called {}", fmt::join(defaults, " or ")),
           fmt::format("the names of the {}", option),
           fmt::format("name the features that make up the {0}: data.{0}=[NAME]", option));
    }
    return {};
  }

  void choose_state() {
    const bool has_none = options_.state == std::vector<std::string>{kNone};
    if (!has_none) {
      const auto may_be_state = [](const Feature& candidate) {
        return candidate.dtype.starts_with("float") && candidate.width() > 0 &&
               !is_bookkeeping(candidate) && candidate.name != kEnvStateName &&
               std::ranges::find(kActionNames, candidate.name) == kActionNames.end();
      };
      std::vector<Feature> candidates;
      for (const Feature& candidate : info_.features) {
        const bool is_action =
            std::ranges::find(options_.actions, candidate.name) != options_.actions.end();
        if (may_be_state(candidate) && !is_action) candidates.push_back(candidate);
      }
      std::vector<Feature> parts = named_or_default("state", options_.state, kStateNames, false);
      if (parts.empty() && !candidates.empty()) {
        fail(fmt::format("no feature is called {}", fmt::join(kStateNames, " or ")),
             "the name of the robot's state",
             "name the features that make it up: data.state=[NAME], or data.state=[none]");
      }
      if (!parts.empty()) map_.vectors.push_back({.stream = kState, .parts = std::move(parts)});
    }
    if (const Feature* found = info_.find(kEnvStateName); found != nullptr && found->is_number()) {
      map_.vectors.push_back({.stream = kEnvState, .parts = {*found}});
    }
  }

  void choose_streams() {
    for (const std::string& name : options_.streams) {
      const Feature* const known = info_.find(name);
      const Feature* const prefixed = info_.find("observation." + name);
      const Feature& chosen =
          known == nullptr && prefixed != nullptr ? *prefixed : feature(name, "streams");
      if (chosen.dtype == "string") {
        map_.texts.push_back(chosen);
      } else {
        map_.vectors.push_back({.stream = name, .parts = {vector(chosen.name, "streams")}});
      }
    }
  }

  // The default column may be missing: then there is no instruction.
  void choose_task() {
    if (options_.task.empty() || options_.task == kNone) return;
    const bool is_default = options_.task == DatasetOptions().task;
    if (is_default && info_.find(options_.task) == nullptr) return;
    const Feature& chosen = feature(options_.task, "task");
    const bool is_index = chosen.dtype.starts_with("int") && chosen.width() == 1;
    if (!is_index && chosen.dtype != "string") {
      fail(fmt::format("the feature '{}' is {} and names no task", chosen.name, chosen.described()),
           "one integer, an index into the tasks, or a string",
           "set data.task to such a feature, or data.task=none");
    }
    map_.task = chosen;
  }

  // One line for language features, which are skipped, and one for everything else.
  void note_unused() {
    const std::set<std::string> used = map_.used();
    std::vector<std::string> language;
    std::vector<Feature> unused;
    for (const Feature& candidate : info_.features) {
      if (used.contains(candidate.name) || is_bookkeeping(candidate) || candidate.is_depth) {
        continue;
      }
      if (candidate.dtype == "language") {
        language.push_back(candidate.name);
      } else {
        unused.push_back(candidate);
      }
    }
    const std::string folder = info_.folder().string();
    if (!language.empty()) {
      findings_.note(
          fmt::format("{}: skipped language columns: {}", folder, fmt::join(language, ", ")));
    }
    if (!unused.empty()) {
      findings_.note(fmt::format("{}: features that are not used: {}", folder, listed(unused)));
    }
  }

  const InfoFile& info_;
  const Modality& modality_;
  const DatasetOptions& options_;
  Findings& findings_;
  FeatureMap map_;
};

}  // namespace

std::int64_t VectorFeature::width() const {
  std::int64_t width = 0;
  for (const Feature& part : parts) width += part.width();
  return width;
}

std::vector<std::string> VectorFeature::element_names() const {
  std::vector<std::string> names;
  for (const Feature& part : parts) {
    if (std::ssize(part.names) != part.width()) return {};
    names.insert(names.end(), part.names.begin(), part.names.end());
  }
  return names;
}

std::set<std::string> FeatureMap::used() const {
  std::set<std::string> names;
  for (const VectorFeature& vector : vectors) {
    for (const Feature& part : vector.parts) names.insert(part.name);
  }
  for (const Feature& part : actions.parts) names.insert(part.name);
  for (const Feature& text : texts) names.insert(text.name);
  for (const CameraFeature& camera : cameras) names.insert(camera.feature.name);
  if (task) names.insert(task->name);
  return names;
}

std::string short_name(const std::string& feature) {
  constexpr std::array<std::string_view, 3> kOtherStreams = {kState, kEnvState, "task"};
  for (const std::string_view prefix :
       {"observation.images.", "observation.image.", "observation."}) {
    if (!feature.starts_with(prefix) || feature.size() == prefix.size()) continue;
    const std::string rest = feature.substr(prefix.size());
    const bool is_taken = std::ranges::find(kOtherStreams, rest) != kOtherStreams.end();
    return is_taken ? feature : rest;
  }
  return feature;
}

FeatureMap choose_features(const InfoFile& info, const Modality& modality,
                           const DatasetOptions& options, Findings& findings) {
  return Chooser(info, modality, options, findings).choose();
}

}  // namespace roboimi::lerobot_dataset
