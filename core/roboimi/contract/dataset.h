// A dataset: recorded demonstrations as a list of episodes. Each implementation reads one file
// format; the core does the caching and cuts the episodes into training windows.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/observation.h"

namespace roboimi {

struct EpisodeInfo {
  std::filesystem::path file;         // where it is stored
  std::int64_t length = 0;            // rows, L
  std::optional<std::uint64_t> seed;  // of the environment, if recorded
  std::optional<bool> success;        // if recorded
};

// The position of one row of an image stream in a file that stores it uncompressed.
struct FrameExtent {
  std::filesystem::path file;
  std::uint64_t offset = 0;
};

// A part of a dataset, such as one of several joined folders, and its weight in training.
struct DatasetPart {
  std::string name;                    // shown in plans, logs and errors
  double weight = 1.0;                 // relative to the other parts; 0: not trained on
  std::vector<std::int64_t> episodes;  // indices
};

// Const members must be safe to call from several threads at once.
class ROBOIMI_EXPORT Dataset {
 public:
  virtual ~Dataset();

  virtual const ObservationSpec& spec() const = 0;
  virtual std::int64_t num_episodes() const = 0;
  virtual const EpisodeInfo& episode(std::int64_t index) const = 0;

  // Rows [first, first + count) of a stream: [count, ...] with the shape and dtype of spec(), on
  // the CPU. Throws Error for a stream that is not in spec() and for rows beyond the episode.
  virtual at::Tensor read(std::int64_t episode, const std::string& stream, std::int64_t first,
                          std::int64_t count) const = 0;
  // The actions, float [L, A]. Row t is the command sent after row t was observed.
  virtual at::Tensor actions(std::int64_t episode) const = 0;

  // Named quantities float [L, k] that a good representation of the frames should contain, such as
  // positions of objects and end effectors. Linear probes are fitted to them. Empty if none were
  // recorded.
  virtual std::map<std::string, at::Tensor> labels(std::int64_t episode) const;

  // The position of row `row` of an image stream, if it is stored uncompressed: such frames are
  // memory-mapped instead of copied. Empty otherwise.
  virtual std::optional<FrameExtent> frame_extent(std::int64_t episode, const std::string& stream,
                                                  std::int64_t row) const;

  // Every file that the episodes are read from: caches of the data are rebuilt when any of them
  // changes. The default: the file of each episode. A format with side files, or with several files
  // per episode, must return those as well.
  virtual std::vector<std::filesystem::path> files() const;

  // The parts between which training windows are divided in proportion to the weights, whatever the
  // sizes of the parts. Each episode belongs to exactly one part. Empty, the default: there are no
  // weights, and all windows are drawn equally often. Weights must not change what read() returns.
  virtual std::vector<DatasetPart> parts() const;

  // Shorthands for read().
  at::Tensor read_all(std::int64_t episode, const std::string& stream) const;  // [L, ...]
  at::Tensor state(std::int64_t episode) const;      // float [L, S]; undefined without a state
  at::Tensor env_state(std::int64_t episode) const;  // float [L, E]; undefined without one
};

// dataset.parts(). Throws Error if a weight is negative or not finite, if all are 0, or if the
// parts do not contain each episode exactly once.
ROBOIMI_EXPORT std::vector<DatasetPart> checked_parts(const Dataset& dataset);

}  // namespace roboimi
