// A writer of LeRobot datasets, version 3.0, one set of files per episode:
//
//   LerobotEpisodeWriter writer({.frames = FrameStorage::kH264});
//   writer.write("staged.parquet", record);      // one file, by any number of processes at once
//   writer.place("staged.parquet", "data", 0);   // data/chunk-000/file-000.parquet and so on
//
// The written file is a zip archive of the videos, the rows and the statistics. place() unpacks it,
// with the episode table as the last file: if the process is killed, the dataset holds the earlier
// episodes, and placing the episode again completes it. See README.md for the features.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "plugins/lerobot_dataset/placed_episodes.h"
#include "roboimi/config/schema.h"
#include "roboimi/contract/episode_writer.h"

namespace roboimi::lerobot_dataset {

enum class FrameStorage { kH264, kAv1, kLossless, kPng };
enum class DepthStreams { kRefuse, kSkip };

struct WriterOptions {
  FrameStorage frames = FrameStorage::kH264;
  int crf = 30;                      // constant rate factor of H.264 and AV1
  std::string task = "do the task";  // of rows without a string in the stream `task`
  std::string robot_type = {};       // empty: null in info.json
  DepthStreams depth = DepthStreams::kRefuse;
};

class LerobotEpisodeWriter : public EpisodeWriter {
 public:
  explicit LerobotEpisodeWriter(WriterOptions options) : options_(std::move(options)) {}

  // meta/episodes/chunk-000/file-NNN.parquet, the table of the episode.
  std::filesystem::path file_of(const std::filesystem::path& folder,
                                std::int64_t index) const override;
  void write(const std::filesystem::path& file, const EpisodeRecord& record) const override;
  void place(const std::filesystem::path& written, const std::filesystem::path& folder,
             std::int64_t index) const override;
  // Of a written file, or of the table of a placed episode.
  EpisodeHeader read_header(const std::filesystem::path& file) const override;

 private:
  void note_default_task(const EpisodeRecord& record) const;

  WriterOptions options_;
  mutable std::atomic<bool> has_noted_task_ = false;
  // The state of the folder of the last call of place().
  mutable std::mutex mutex_;
  mutable PlacedEpisodes placed_;
};

Schema writer_schema();
std::shared_ptr<EpisodeWriter> create_writer(const Options& options);

}  // namespace roboimi::lerobot_dataset
