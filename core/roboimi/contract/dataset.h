// Recorded demonstrations, as episodes. Implementations read one format each; decoding, caching and
// windows are the core's.
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
  bool is_sim = true;                 // ACT's attribute `sim`
  std::optional<std::uint64_t> seed;  // of the environment, when recorded
  std::optional<bool> success;        // when recorded
};

// Bytes of one frame inside a file, when it is stored as plain uint8 [H, W, 3].
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

  virtual at::Tensor state(std::int64_t episode) const = 0;  // float [L, S]
  virtual at::Tensor actions(
      std::int64_t episode) const = 0;  // float [L, A]; row t: sent after row t was seen
  virtual at::Tensor env_state(std::int64_t episode) const = 0;  // float [L, E], or undefined

  // Named quantities float [L, k] that a good representation of the frames should tell (positions
  // of objects and end effectors): what probes are fitted to. Empty where none were recorded.
  virtual std::map<std::string, at::Tensor> labels(std::int64_t episode) const;

  // Decoded frames of rows [first, first + count): uint8 RGB [count, H, W, 3].
  virtual at::Tensor frames(std::int64_t episode, const std::string& camera, std::int64_t first,
                            std::int64_t count) const = 0;
  // Where row `row` lies uncompressed, if it does: such frames are mapped in place and never
  // copied.
  virtual std::optional<FrameExtent> frame_extent(std::int64_t episode, const std::string& camera,
                                                  std::int64_t row) const;

  // Every file that the episodes are read from: what is cached of the data is made again when one
  // of them changes. The default: the file of each episode. A format that also reads side files,
  // or several files an episode, returns those as well.
  virtual std::vector<std::filesystem::path> files() const;
};

}  // namespace roboimi
