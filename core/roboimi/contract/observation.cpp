#include "roboimi/contract/observation.h"

#include <fmt/format.h>

namespace roboimi {

std::string ObservationSpec::difference(const ObservationSpec& other) const {
  if (state_dim != other.state_dim) {
    return fmt::format("state_dim {} against {}", state_dim, other.state_dim);
  }
  if (action_dim != other.action_dim) {
    return fmt::format("action_dim {} against {}", action_dim, other.action_dim);
  }
  for (const std::string& camera : camera_names) {
    const auto found = other.images.find(camera);
    if (found == other.images.end()) return fmt::format("camera '{}' is missing", camera);
    const ImageSize& mine = images.at(camera);
    if (found->second != mine) {
      return fmt::format("camera '{}' has {}x{} pixels against {}x{}", camera, mine.height,
                         mine.width, found->second.height, found->second.width);
    }
  }
  return "";
}

}  // namespace roboimi
