// An episode writer: stores demonstrations in a file format. The counterpart of Dataset.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/observation.h"

namespace roboimi {

// A complete episode of L rows. Row t holds an observation and the command sent after it.
//
// The images of a long episode may not fit in memory. They can be left out of `observations` if
// `read_images` returns them. A writer therefore takes images from images(), a few rows at a time:
//
//   for (std::int64_t row = 0; row < record.actions.size(0); ++row) {
//     video.add(record.images(camera, row, 1)[0]);
//   }
struct EpisodeRecord {
  std::vector<StreamSpec> streams = {};  // of the episode
  Observation observations;              // each [L, ...]
  // Returns rows [first, first + count) of an image stream that is not in `observations`.
  std::function<at::Tensor(const StreamSpec& stream, std::int64_t first, std::int64_t count)>
      read_images = {};
  std::map<std::string, at::Tensor> labels;  // name -> float [L, k]; see Dataset::labels()
  at::Tensor actions;                        // float [L, A]
  double control_hz = 0.0;
  std::optional<std::uint64_t> seed = {};  // of the environment, if known
  std::optional<bool> success = {};        // if known

  // Rows [first, first + count) of an image stream: [count, H, W, 3] or [count, H, W]. Throws Error
  // if there are none, or if they do not have the stream's shape and dtype.
  ROBOIMI_EXPORT at::Tensor images(const StreamSpec& stream, std::int64_t first,
                                   std::int64_t count) const;
};

// The facts about an existing episode that are needed to resume a collection.
struct EpisodeHeader {
  std::optional<std::uint64_t> seed = {};
  std::optional<bool> success = {};
};

class ROBOIMI_EXPORT EpisodeWriter {
 public:
  virtual ~EpisodeWriter();

  // The file whose existence means that episode `index` of `folder` is complete. Each index has a
  // different file name.
  virtual std::filesystem::path file_of(const std::filesystem::path& folder,
                                        std::int64_t index) const = 0;
  // Writes an episode into one file, atomically: it appears complete or not at all. Throws Error if
  // the disk is full or the format cannot store one of the streams. Several processes may write
  // different files of a folder at once.
  virtual void write(const std::filesystem::path& file, const EpisodeRecord& record) const = 0;
  // Moves a written file to `file_of(folder, index)`, its place in the dataset. A folder's episodes
  // are placed by one process, in the order of their indices. The default renames the file. A
  // format that stores an episode in several files, or several episodes in one, distributes it
  // here, and creates `file_of(folder, index)` last.
  virtual void place(const std::filesystem::path& written, const std::filesystem::path& folder,
                     std::int64_t index) const;
  // The header of an existing file; values that the record did not have are empty. Throws Error if
  // the file cannot be read.
  virtual EpisodeHeader read_header(const std::filesystem::path& file) const = 0;
};

}  // namespace roboimi
