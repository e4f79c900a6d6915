// A dataset: recorded demonstrations, as episodes. Implementations read one format each; decoding,
// caching and windows are the core's.
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
  std::optional<std::uint64_t> seed;  // of the environment, when recorded
  std::optional<bool> success;        // when recorded
};

// Bytes of one row of an image stream inside a file, when they are stored plainly.
struct FrameExtent {
  std::filesystem::path file;
  std::uint64_t offset = 0;
};

// Const members may be called from several threads at once.
class ROBOIMI_EXPORT Dataset {
 public:
  virtual ~Dataset();

  virtual const ObservationSpec& spec() const = 0;
  virtual std::int64_t num_episodes() const = 0;
  virtual const EpisodeInfo& episode(std::int64_t index) const = 0;

  // Rows [first, first + count) of a stream: [count, ...] of the shape and type that spec() gives,
  // on the CPU. Error: a stream that spec() does not list, rows beyond the episode.
  virtual at::Tensor read(std::int64_t episode, const std::string& stream, std::int64_t first,
                          std::int64_t count) const = 0;
  // Float [L, A]. Row t: the command sent after row t was observed.
  virtual at::Tensor actions(std::int64_t episode) const = 0;

  // Named quantities float [L, k] that a good representation of the frames should contain
  // (positions of objects and end effectors): what probes are fitted to. Empty where none were
  // recorded.
  virtual std::map<std::string, at::Tensor> labels(std::int64_t episode) const;

  // Where row `row` of an image stream lies uncompressed, if it does: such frames are mapped in
  // place and never copied.
  virtual std::optional<FrameExtent> frame_extent(std::int64_t episode, const std::string& stream,
                                                  std::int64_t row) const;

  // Every file that the episodes are read from: what is cached of the data is made again when one
  // of them changes. The default: the file of each episode. A format that also reads side files,
  // or several files an episode, returns those as well.
  virtual std::vector<std::filesystem::path> files() const;

  // Views of read().
  at::Tensor read_all(std::int64_t episode, const std::string& stream) const;  // [L, ...]
  at::Tensor state(std::int64_t episode) const;      // float [L, S]; undefined without a state
  at::Tensor env_state(std::int64_t episode) const;  // float [L, E]; undefined without one
};

}  // namespace roboimi
