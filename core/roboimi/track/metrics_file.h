// A tracker that writes metrics.jsonl, with one JSON object per line.
//
//   {"step": 50, "time": 1760000000.125, "train/loss": 0.31, "train/learning_rate": 1e-05}
//
// `step` is the number of finished training steps, `time` is in seconds since 1970. NaN and
// infinity are written as null.
#pragma once

#include <filesystem>

#include "roboimi/common/export.h"
#include "roboimi/track/append_file.h"
#include "roboimi/track/tracker.h"

namespace roboimi {

class ROBOIMI_EXPORT MetricsFile final : public Tracker {
 public:
  explicit MetricsFile(const std::filesystem::path& path) : file_(path) {}

  void scalars(std::int64_t step, const Scalars& values) override;
  void image(std::int64_t, const std::string&, const std::filesystem::path&) override {}
  void flush() override { file_.sync(); }

 private:
  AppendFile file_;
};

// Prepares the file for resuming from the checkpoint of `step`: removes lines of later steps and an
// incomplete last line. If `rolled_out` is false, its rollouts will run again, so
// their line is removed as well. Atomic; does nothing if the file does not exist.
ROBOIMI_EXPORT void cut_metrics_back(const std::filesystem::path& path, std::int64_t step,
                                     bool rolled_out);

}  // namespace roboimi
