// Writes demonstrations, the counterpart of Dataset.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/observation.h"

namespace roboimi {

// One whole episode of L rows. Row t: what was observed, and the command sent after observing it.
struct EpisodeRecord {
  std::vector<StreamSpec> streams = {};      // of `observations`
  Observation observations;                  // each [L, ...]
  std::map<std::string, at::Tensor> labels;  // name -> float [L, k]; see Dataset::labels()
  at::Tensor actions;                        // float [L, A]
  double control_hz = 0.0;
  std::uint64_t seed = 0;  // of the environment
  bool success = false;
};

// What resuming a collection needs of an episode that was written before.
struct EpisodeHeader {
  std::uint64_t seed = 0;
  bool success = false;
};

class ROBOIMI_EXPORT EpisodeWriter {
 public:
  virtual ~EpisodeWriter();

  // The file that episode `index` of `folder` is stored in.
  virtual std::filesystem::path file_of(const std::filesystem::path& folder,
                                        std::int64_t index) const = 0;
  // Atomic: the file appears whole or not at all. Error when the disk is full, or for a stream that
  // the format cannot hold.
  virtual void write(const std::filesystem::path& file, const EpisodeRecord& record) const = 0;
  // Of a file written before; Error when it cannot be read.
  virtual EpisodeHeader read_header(const std::filesystem::path& file) const = 0;
};

}  // namespace roboimi
