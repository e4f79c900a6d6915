// Where the numbers and pictures of a run go. A run has several trackers behind one fan-out.
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

// Begins the names of what rollouts measured.
inline constexpr const char* kRolloutPrefix = "rollout/";

using Scalars = std::map<std::string, double>;  // "train/loss" -> value

class ROBOIMI_EXPORT Tracker {
 public:
  virtual ~Tracker();

  // After `step` training steps.
  virtual void scalars(std::int64_t step, const Scalars& values) = 0;
  // A PNG file.
  virtual void image(std::int64_t step, const std::string& tag,
                     const std::filesystem::path& png) = 0;
  // What was given so far survives the process, and the machine.
  virtual void flush() = 0;
  // The run has ended, and its run.json says how.
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
