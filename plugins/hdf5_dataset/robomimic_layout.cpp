#include "plugins/hdf5_dataset/robomimic_layout.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "plugins/hdf5_dataset/episode_tables.h"
#include "roboimi/common/error.h"
#include "roboimi/common/log.h"
#include "roboimi/config/did_you_mean.h"

namespace roboimi::hdf5_dataset {
namespace {

constexpr char kData[] = "/data";
constexpr std::size_t kMostListed = 5;

// The digits at the end of a name such as "demo_12".
std::optional<std::int64_t> trailing_number(const std::string& name) {
  const std::size_t start = name.find_last_not_of("0123456789") + 1;
  std::int64_t number = 0;
  const auto parsed = std::from_chars(name.data() + start, name.data() + name.size(), number);
  if (start == name.size() || parsed.ec != std::errc()) return std::nullopt;
  return number;
}

// The masks that must have no demonstration in common with `mask`: "valid" or "val" for "train",
// and "20_percent_valid" for "20_percent_train", as robomimic names them.
std::vector<std::string> counterparts(const Hdf5File& file, const std::string& mask) {
  static const std::vector<std::string> kTrain = {"train"}, kValid = {"valid", "val", "validation"};
  const std::size_t end = mask.rfind('_');
  const std::string prefix = end == std::string::npos ? "" : mask.substr(0, end + 1);
  const std::string word = mask.substr(prefix.size());
  std::vector<std::string> found;
  for (const auto& [words, others] : {std::pair{kTrain, kValid}, std::pair{kValid, kTrain}}) {
    if (std::ranges::count(words, word) == 0) continue;
    for (const std::string& other : others) {
      if (file.is_dataset("/mask/" + prefix + other)) found.push_back(prefix + other);
    }
  }
  return found;
}

// The names in `mask` that are not demonstrations.
std::vector<std::string> missing_names(const std::vector<std::string>& mask,
                                       const std::vector<Demo>& demos) {
  std::set<std::string> known;
  for (const Demo& demo : demos) known.insert(demo.name);
  std::vector<std::string> missing;
  std::copy_if(mask.begin(), mask.end(), std::back_inserter(missing),
               [&](const std::string& name) { return !known.contains(name); });
  return missing;
}

// The faults of a mask and its counterparts in words, such as "demo_3 in both mask/train and
// mask/valid".
std::vector<std::string> mask_faults(const Hdf5File& file, const std::vector<Demo>& demos,
                                     const std::string& name) {
  std::vector<std::string> faults;
  const auto add_missing = [&](const std::string& key, const std::vector<std::string>& mask) {
    const std::vector<std::string> missing = missing_names(mask, demos);
    if (missing.empty()) return;
    faults.push_back(fmt::format("{} in mask/{}, but not in the data", shortened(missing), key));
  };
  const std::vector<std::string> mask = file.read_strings("/mask/" + name);
  for (const std::string& other : counterparts(file, name)) {
    const std::vector<std::string> other_mask = file.read_strings("/mask/" + other);
    const std::set<std::string> in_other(other_mask.begin(), other_mask.end());
    std::vector<std::string> shared;
    std::copy_if(mask.begin(), mask.end(), std::back_inserter(shared),
                 [&](const std::string& demo) { return in_other.contains(demo); });
    if (!shared.empty()) {
      faults.push_back(
          fmt::format("{} in both mask/{} and mask/{}", shortened(shared), name, other));
    }
    add_missing(other, other_mask);
  }
  add_missing(name, mask);
  return faults;
}

// A positive number at the key of a JSON object.
std::optional<double> positive_number(const nlohmann::json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  if (!object.is_object() || found == object.end() || !found->is_number()) return std::nullopt;
  const auto number = found->get<double>();
  if (!std::isfinite(number) || number <= 0.0) return std::nullopt;
  return number;
}

bool has_vector(const std::vector<ObservationKey>& keys, const std::string& name) {
  return std::any_of(keys.begin(), keys.end(), [&](const ObservationKey& key) {
    return key.name == name && key.is_vector();
  });
}

}  // namespace

std::string shortened(std::vector<std::string> names) {
  const std::size_t count = names.size();
  if (count > kMostListed) {
    names.resize(kMostListed);
    names.push_back(fmt::format("and {} more", count - kMostListed));
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

bool has_robomimic_layout(const Hdf5File& file) {
  const std::vector<std::string> names = file.children(kData);
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    const std::string group = std::string(kData) + "/" + name;
    return file.is_group(group) && (file.has(group + "/actions") || file.has(group + "/obs"));
  });
}

bool is_robomimic_file(const std::filesystem::path& path) {
  try {
    return has_robomimic_layout(Hdf5File(path));
  } catch (const Error&) {
    return false;
  }
}

std::vector<Demo> demos_of(const Hdf5File& file) {
  // Point to the other component for files of its layout.
  if (!has_robomimic_layout(file)) {
    const bool is_act = file.is_dataset(kQpos);
    throw Error({.what = "the file has no demonstrations",
                 .where = file.path().string(),
                 .expected = kRobomimicLayout,
                 .found = is_act ? std::string("one episode in ACT's layout")
                                 : "in /: " + shortened(file.children("/")),
                 .next = is_act
                             ? "read the folder of the episodes with the component hdf5_dataset: "
                               "data=hdf5 data.path=FOLDER"
                             : ""});
  }

  // Sort by number. Two names with the same number would make data.episodes ambiguous.
  std::vector<Demo> demos;
  for (const std::string& name : file.children(kData)) {
    const auto number = trailing_number(name);
    if (!file.is_group(std::string(kData) + "/" + name)) continue;
    if (number) {
      demos.push_back({.number = *number, .name = name});
    } else {
      logger().warn(
          "robomimic_dataset: {}: leaving out the group /data/{}, whose name does not end "
          "in a number",
          file.path().string(), name);
    }
  }
  std::sort(demos.begin(), demos.end(),
            [](const Demo& a, const Demo& b) { return a.number < b.number; });
  const auto twice =
      std::adjacent_find(demos.begin(), demos.end(),
                         [](const Demo& a, const Demo& b) { return a.number == b.number; });
  if (twice != demos.end()) {
    throw Error({.what = "two demonstrations have the same number",
                 .where = file.path().string(),
                 .expected = "one group demo_N for each number N",
                 .found = twice->group() + " and " + (twice + 1)->group(),
                 .next = "rename one of them"});
  }
  if (demos.empty()) {
    throw Error({.what = "the file has no demonstrations",
                 .where = file.path().string(),
                 .expected = kRobomimicLayout,
                 .found = "in /data: " + shortened(file.children(kData))});
  }
  return demos;
}

std::vector<Demo> filtered_demos(const Hdf5File& file, const std::vector<Demo>& demos,
                                 const std::string& filter_key) {
  if (!file.is_dataset("/mask/" + filter_key)) {
    const std::vector<std::string> there = file.children("/mask");
    throw Error({.what = "there is no mask '" + filter_key + "'",
                 .where = file.path().string(),
                 .expected = there.empty() ? "a dataset /mask/" + filter_key
                                           : fmt::format("one of {}", fmt::join(there, ", ")),
                 .found = there.empty() ? "no masks" : "",
                 .next = did_you_mean(filter_key, there, "correct or remove data.filter_key")});
  }
  const std::vector<std::string> faults = mask_faults(file, demos, filter_key);
  if (!faults.empty()) {
    throw Error({.what = "the masks do not fit the demonstrations",
                 .where = file.path().string(),
                 .expected = "existing demonstrations, each for training or for validation",
                 .found = fmt::format("{}", fmt::join(faults, "; ")),
                 .next = "correct the masks, or select demonstrations with data.episodes instead "
                         "of data.filter_key"});
  }

  // The order stays that of the numbers.
  const std::vector<std::string> mask = file.read_strings("/mask/" + filter_key);
  const std::set<std::string> names(mask.begin(), mask.end());
  std::vector<Demo> selected;
  std::copy_if(demos.begin(), demos.end(), std::back_inserter(selected),
               [&](const Demo& demo) { return names.contains(demo.name); });
  if (selected.empty()) {
    throw Error({.what = "the mask '" + filter_key + "' lists no demonstration",
                 .where = file.path().string(),
                 .next = "choose another data.filter_key"});
  }
  return selected;
}

std::optional<double> recorded_control_hz(const Hdf5File& file) {
  const Attribute<std::string> attribute = file.text_attribute("env_args", kData);
  if (!attribute.value) return std::nullopt;
  const auto args = nlohmann::json::parse(*attribute.value, nullptr, /*allow_exceptions=*/false);
  if (args.is_discarded()) {
    logger().warn("robomimic_dataset: {}: ignoring the attribute env_args, which is not JSON",
                  file.path().string());
    return std::nullopt;
  }
  if (const auto rate = positive_number(args, "control_freq")) return rate;
  const auto kwargs = args.is_object() ? args.find("env_kwargs") : args.end();
  return args.is_object() && kwargs != args.end() ? positive_number(*kwargs, "control_freq")
                                                  : std::nullopt;
}

bool ObservationKey::is_image() const {
  return type.kind == ElementKind::kUint8 && shape.size() == 4 && shape[3] == 3;
}

bool ObservationKey::is_vector() const {
  return is_numeric(type.kind) && (shape.size() == 1 || (shape.size() == 2 && shape[1] > 0));
}

std::vector<ObservationKey> observation_keys(const Hdf5File& file, const Demo& demo) {
  std::vector<ObservationKey> keys;
  const std::string group = demo.group() + "/obs";
  for (const std::string& name : file.children(group)) {
    const std::string dataset = group + "/" + name;
    if (file.is_group(dataset)) continue;
    keys.push_back({.name = name, .type = file.type(dataset), .shape = file.shape(dataset)});
  }
  return keys;
}

std::vector<std::string> default_state_keys(const Hdf5File& file,
                                            const std::vector<ObservationKey>& keys) {
  for (const char* name : {"state", "qpos"}) {
    if (has_vector(keys, name)) return {name};
  }
  std::vector<std::string> robots;
  for (int i = 0;; ++i) {
    const std::string prefix = fmt::format("robot{}_", i);
    if (!has_vector(keys, prefix + "eef_pos")) break;
    for (const char* part : {"eef_pos", "eef_quat", "gripper_qpos"}) {
      if (has_vector(keys, prefix + part)) robots.push_back(prefix + part);
    }
  }
  if (!robots.empty()) return robots;
  // LIBERO: position and rotation vector of the hand, and the fingers.
  if (has_vector(keys, "ee_states") && has_vector(keys, "gripper_states")) {
    return {"ee_states", "gripper_states"};
  }

  if (keys.empty()) {
    throw Error({.what = "the demonstrations have no observations",
                 .where = file.path().string(),
                 .expected = kRobomimicLayout,
                 .next = "a recording of simulator states is rendered first, with robomimic's "
                         "dataset_states_to_obs.py"});
  }

  // A single vector is unambiguous.
  std::vector<std::string> vectors;
  for (const ObservationKey& key : keys) {
    if (key.is_vector()) vectors.push_back(key.name);
  }
  if (vectors.size() == 1) return vectors;
  throw Error(
      {.what = "cannot tell which observations are the state",
       .where = file.path().string(),
       .expected = "obs/state, obs/qpos, obs/robot0_eef_pos, obs/ee_states or a single vector",
       .found = listed_keys(keys),
       .next = "name them in the order of the state: data.state=[KEY, ...]"});
}

std::string listed_keys(const std::vector<ObservationKey>& keys) {
  std::vector<std::string> listed;
  for (const ObservationKey& key : keys) {
    listed.push_back(
        fmt::format("{} {} [{}]", key.name, key.type.name, fmt::join(key.shape, ", ")));
  }
  return fmt::format("{}", fmt::join(listed, ", "));
}

}  // namespace roboimi::hdf5_dataset
