// The interface of trackers, which receive the metrics and images of a run. A fan-out passes them
// to several trackers.
//
//   TrackerFanOut trackers;
//   trackers.add(std::make_unique<MetricsFile>(folder / "metrics.jsonl"));
//   trackers.add(std::make_unique<TensorBoardFile>(folder));
//   trackers.scalars(50, {{"train/loss", 0.31}, {"train/learning_rate", 1e-4}});
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "roboimi/common/export.h"

namespace roboimi {

// The prefix of metrics of rollouts.
inline constexpr const char* kRolloutPrefix = "rollout/";

using Scalars = std::map<std::string, double>;  // "train/loss" -> value

class ROBOIMI_EXPORT Tracker {
 public:
  virtual ~Tracker();

  // Records values after `step` training steps.
  virtual void scalars(std::int64_t step, const Scalars& values) = 0;
  // Records an image, given as a PNG file.
  virtual void image(std::int64_t step, const std::string& tag,
                     const std::filesystem::path& png) = 0;
  // Writes everything recorded so far to disk, so that it survives a power failure.
  virtual void flush() = 0;
  // Called at the end of the run, after run.json has its final status.
  virtual void finish() {}
};

class ROBOIMI_EXPORT TrackerFanOut final : public Tracker {
 public:
  void add(std::unique_ptr<Tracker> tracker) { trackers_.push_back(std::move(tracker)); }

  void scalars(std::int64_t step, const Scalars& values) override;
  void image(std::int64_t step, const std::string& tag, const std::filesystem::path& png) override;
  void flush() override;
  void finish() override;

 private:
  std::vector<std::unique_ptr<Tracker>> trackers_;
};

}  // namespace roboimi
