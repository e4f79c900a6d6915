// Event files that TensorBoard reads: scalars and PNG pictures.
//
// A file is TFRecords: length (uint64), masked CRC-32C of the length, data, masked CRC-32C of the
// data. The data is a tensorboard.Event message (event.proto, summary.proto), encoded here by hand.
#pragma once

#include <filesystem>

#include "roboimi/common/export.h"
#include "roboimi/track/append_file.h"
#include "roboimi/track/tracker.h"

namespace roboimi {

inline constexpr const char* kEventFilePrefix = "events.out.tfevents.";

class ROBOIMI_EXPORT TensorBoardFile final : public Tracker {
 public:
  // Creates events.out.tfevents.SECONDS.HOST.PID in `folder`. A run that continues after
  // `resumed_step` steps says so, and TensorBoard then discards what older files hold of later
  // steps.
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

// For resuming from the checkpoint of `step`: drops from the event files of `folder` what
// cut_metrics_back() drops from metrics.jsonl, and a torn end. A link is left alone.
ROBOIMI_EXPORT void cut_events_back(const std::filesystem::path& folder, std::int64_t step,
                                    bool rolled_out);

}  // namespace roboimi
