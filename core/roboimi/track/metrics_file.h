// metrics.jsonl: one JSON object a line.
//
//   {"step": 50, "time": 1760000000.125, "train/loss": 0.31, "train/learning_rate": 1e-05}
//
// `step` counts finished training steps, `time` is seconds since 1970. Numbers that are not finite
// are written as null.
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

// For resuming from the checkpoint of `step`: drops the lines of later steps and a torn last line,
// atomically, and when that checkpoint has not `rolled_out`, that step's line of rollouts, which
// are made up for. A file that does not exist is left so.
ROBOIMI_EXPORT void cut_metrics_back(const std::filesystem::path& path, std::int64_t step,
                                     bool rolled_out);

}  // namespace roboimi
