#include "roboimi/data/dataset.h"

namespace roboimi {

Dataset::~Dataset() = default;

std::optional<FrameExtent> Dataset::frame_extent(std::int64_t, const std::string&,
                                                 std::int64_t) const {
  return std::nullopt;
}

}  // namespace roboimi
