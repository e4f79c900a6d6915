// The outcomes of an evaluation's episodes as they arrive. Internal to rollout.
#pragma once

#include <cstdint>

#include "roboimi/rollout/rollout.h"

namespace roboimi {

class Outcomes {
 public:
  explicit Outcomes(const RolloutOptions& options)
      : options_(options), summary_{.subject = options.subject} {
    summary_.episodes.resize(static_cast<std::size_t>(options.num_episodes));
  }
  // In any order.
  void add(const EpisodeOutcome& outcome) {
    const auto index = static_cast<std::size_t>(outcome.seed - options_.first_seed);
    summary_.episodes.at(index) = outcome;
    ++done_;
    if (options_.progress) options_.progress(done_);
  }
  bool are_complete() const { return done_ >= options_.num_episodes; }
  // Also writes the tables if there is an output folder.
  RolloutSummary summarize() const {
    if (!options_.output_folder.empty()) write_rollout_tables(summary_, options_.output_folder);
    return summary_;
  }

 private:
  const RolloutOptions& options_;
  RolloutSummary summary_;
  std::int64_t done_ = 0;
};

}  // namespace roboimi
