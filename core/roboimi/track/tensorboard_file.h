// A tracker that writes TensorBoard event files with scalars and PNG images.
//
// A file is a sequence of TFRecords: length (uint64), masked CRC-32C of the length, data, masked
// CRC-32C of the data. The data is a tensorboard.Event message (event.proto, summary.proto),
// encoded here without the protobuf library.
#pragma once

#include <filesystem>

#include "roboimi/common/export.h"
#include "roboimi/track/append_file.h"
#include "roboimi/track/tracker.h"

namespace roboimi {

inline constexpr const char* kEventFilePrefix = "events.out.tfevents.";

class ROBOIMI_EXPORT TensorBoardFile final : public Tracker {
 public:
  // Creates events.out.tfevents.SECONDS.HOST.PID in `folder`. For a run resumed after
  // `resumed_step` steps, the file makes TensorBoard discard later steps of older files.
  explicit TensorBoardFile(const std::filesystem::path& folder, std::int64_t resumed_step = 0);

  void scalars(std::int64_t step, const Scalars& values) override;
  void image(std::int64_t step, const std::string& tag, const std::filesystem::path& png) override;
  void flush() override { file_.sync(); }

  const std::filesystem::path& path() const { return path_; }

 private:
  void write_event(std::int64_t step, int field, const std::string& payload);

  std::filesystem::path path_;
  AppendFile file_;
};

// Prepares the event files of `folder` for resuming from the checkpoint of `step`: removes the same
// steps as cut_metrics_back(), and an incomplete last record. Does not change symbolic links.
ROBOIMI_EXPORT void cut_events_back(const std::filesystem::path& folder, std::int64_t step,
                                    bool rolled_out);

}  // namespace roboimi
