// diffusion_policy's ReplayBuffer in a zarr store: arrays data/NAME with the rows of all episodes
// one after the other, and meta/episode_ends with the row after each episode's last.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "plugins/zarr_dataset/array_info.h"
#include "plugins/zarr_dataset/store.h"
#include "roboimi/common/error.h"

namespace roboimi::zarr_dataset {

// What to do about an array that a default rule would choose but that cannot be read, and about an
// episode with a missing chunk.
enum class Unreadable { kError, kSkip };

// An array in data/. Unused arrays may have any form, so a description that cannot be read is only
// an error when the array is requested, or when a default rule might select it.
struct FoundArray {
  std::optional<ArrayInfo> info;
  std::optional<Error::Parts> fault = {};  // why it cannot be read: its description or its codec

  bool is_camera() const;  // [N, H, W, 3]
  // How to save an array that seems to hold images of another shape, such as [N, 3, H, W], so that
  // it is a camera; empty for other arrays.
  std::string image_fault() const;
  bool is_vector() const;  // [N] or [N, n]
  std::string describe() const;
};

// Columns of an array: "state", or "state[0:2]" for some of them.
struct Columns {
  std::string array;
  std::int64_t first = 0;
  std::optional<std::int64_t> end = {};  // after the last; unset: all
};

class ReplayBuffer {
 public:
  // Throws Error, naming what the store contains instead, if it has another layout.
  explicit ReplayBuffer(const Store& store, Unreadable unreadable = Unreadable::kError);

  const std::map<std::string, FoundArray>& arrays() const { return arrays_; }
  // The row after the last of each episode, ascending.
  const std::vector<std::int64_t>& episode_ends() const { return episode_ends_; }

  // The array data/NAME. Throws Error, listing all arrays, if there is none or it cannot be read.
  // `option` is the option that names it.
  const ArrayInfo& array(const std::string& name, const std::string& option) const;
  // The columns of a vector that `text` names. Throws Error for columns that it does not have.
  Columns columns(const std::string& text, const std::string& option) const;

  // The names of all cameras. Throws Error, listing all arrays, if a camera, or the description of
  // any array, cannot be read, or if an array seems to hold images in another layout.
  std::vector<std::string> cameras() const;
  // `action` or `actions`. Throws Error, listing all arrays, if there is neither.
  std::vector<std::string> default_actions() const;
  // The arrays that form the state unless the config names them: `agent_pos` or `state`, otherwise
  // the pose and gripper of each of UMI's robots, otherwise the only vector besides the actions.
  // Throws Error, listing all arrays, if no rule applies, and if the description of any array
  // cannot be read.
  std::vector<std::string> default_state(const std::vector<std::string>& actions) const;

  // Why arrays cannot be read: cameras, and those whose description cannot be read, so that a
  // default rule might choose them.
  std::vector<Error::Parts> faults(bool with_cameras) const;

  // "action float32 [161, 2], img float32 [161, 96, 96, 3]"
  std::string listed() const;

 private:
  bool has_vector(const std::string& name) const;
  bool is_skipped(const FoundArray& array) const;
  void require_readable(bool with_cameras, const std::string& option) const;

  const Store& store_;
  Unreadable unreadable_;
  std::map<std::string, FoundArray> arrays_;
  std::vector<std::int64_t> episode_ends_;
};

}  // namespace roboimi::zarr_dataset
