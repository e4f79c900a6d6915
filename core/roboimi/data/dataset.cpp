#include "roboimi/data/dataset.h"

#include "roboimi/data/episode_writer.h"

namespace roboimi {

Dataset::~Dataset() = default;

EpisodeWriter::~EpisodeWriter() = default;

std::map<std::string, at::Tensor> Dataset::labels(std::int64_t) const { return {}; }

std::optional<FrameExtent> Dataset::frame_extent(std::int64_t, const std::string&,
                                                 std::int64_t) const {
  return std::nullopt;
}

}  // namespace roboimi
