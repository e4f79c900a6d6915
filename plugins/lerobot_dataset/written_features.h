// The features of a LeRobot dataset that a recorded episode becomes, checked for what the format
// cannot store.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <string>
#include <vector>

#include "plugins/lerobot_dataset/json_file.h"
#include "plugins/lerobot_dataset/lerobot_episode_writer.h"
#include "roboimi/contract/episode_writer.h"

namespace roboimi::lerobot_dataset {

struct WrittenFeature {
  enum class Kind { kVector, kText, kVideo, kImage };
  std::string name;  // "observation.state"
  Kind kind = Kind::kVector;
  at::Tensor values = {};  // of a vector or text: float [L, n] or uint8 [L, bytes]
  StreamSpec camera = {};  // of a video or image
  Json info = {};          // its entry in info.json
};

// In the order of info.json: state, other vectors, actions, cameras, texts, labels. Throws Error,
// naming the stream, if rows, shapes or dtypes do not fit, or if LeRobot's format cannot store it.
std::vector<WrittenFeature> features_of(const std::filesystem::path& file,
                                        const EpisodeRecord& record, const WriterOptions& options);

// The features that every dataset has: timestamp, frame_index, episode_index, index, task_index.
Json default_features();

// The instruction of every row.
std::vector<std::string> tasks_of(const EpisodeRecord& record, const WriterOptions& options);

}  // namespace roboimi::lerobot_dataset
