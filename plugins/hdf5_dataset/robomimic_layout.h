// The layout of robomimic's files: demonstrations /data/demo_N with `actions` and `obs/KEY`, and
// lists of demonstrations /mask/NAME.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "plugins/hdf5_dataset/hdf5_file.h"

namespace roboimi::hdf5_dataset {

inline constexpr char kRobomimicLayout[] =
    "robomimic's layout: /data/demo_N/actions and /data/demo_N/obs/KEY";

struct Demo {
  std::int64_t number = 0;  // N of "demo_N"
  std::string name;
  std::string group() const { return "/data/" + name; }
};

// The first names of a list, and how many follow.
std::string shortened(std::vector<std::string> names);

// Whether the file has demonstrations, without reading them.
bool has_robomimic_layout(const Hdf5File& file);
// The same for a path; false for anything that cannot be opened.
bool is_robomimic_file(const std::filesystem::path& path);

// The demonstrations by number, which is not the order in which HDF5 lists them. Groups whose names
// do not end in a number are logged and left out. Throws Error if there are none, or if two have
// the same number.
std::vector<Demo> demos_of(const Hdf5File& file);

// The demonstrations that /mask/FILTER_KEY lists. Throws Error if there is no such list, if it
// names a demonstration that does not exist, or if a list for training and its counterpart for
// validation have demonstrations in common.
std::vector<Demo> filtered_demos(const Hdf5File& file, const std::vector<Demo>& demos,
                                 const std::string& filter_key);

// The control rate in the JSON of the attribute env_args, in Hz, if it is recorded.
std::optional<double> recorded_control_hz(const Hdf5File& file);

// A key of /data/demo_N/obs.
struct ObservationKey {
  std::string name;
  ElementType type;
  std::vector<std::int64_t> shape;  // with the rows
  bool is_image() const;            // uint8 [L, H, W, 3]
  bool is_vector() const;           // numbers [L] or [L, n]
};
std::vector<ObservationKey> observation_keys(const Hdf5File& file, const Demo& demo);

// The keys that form the state unless the config names them: `state` or `qpos`, otherwise the pose
// and gripper of each of robosuite's robots (robotN_eef_pos, robotN_eef_quat, robotN_gripper_qpos),
// otherwise LIBERO's ee_states and gripper_states, otherwise the only vector. Throws Error, listing
// all keys, if no rule applies.
std::vector<std::string> default_state_keys(const Hdf5File& file,
                                            const std::vector<ObservationKey>& keys);

// "agentview_image uint8 [6, 84, 84, 3], robot0_eef_pos float64 [6, 3]"
std::string listed_keys(const std::vector<ObservationKey>& keys);

}  // namespace roboimi::hdf5_dataset
