// Open-loop evaluation: the error of a policy's actions when it receives the recorded observations
// of demonstrations. Its own actions have no effect on what it sees.
//
//   OpenLoopError error = open_loop_error(agent, dataset, {45, 46, 47}, {});
//   error.rms()                   // [A], in the units of the data
//   error.roughness_ratio(range)  // 1: as smooth as the demonstrator
//
// A policy with a large error has not learned its data. A policy with a small error may still fail
// in closed loop, where its errors compound and lead to states that no demonstration has.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/action_range.h"

namespace roboimi {

class Agent;
class Dataset;

struct OpenLoopOptions {
  std::uint64_t seed = 0;  // of the policy's noise, together with the episode's index
  std::function<bool()> should_stop = {};
  std::function<void(std::int64_t episodes_done)> progress = {};
};

struct OpenLoopError {
  struct Episode {
    std::int64_t index = 0;  // in the dataset
    std::int64_t num_steps = 0;
    at::Tensor mean_square;  // double [A], of (command - recorded) over its steps
    // Double [A], means of the squared second differences x[t+1] - 2 x[t] + x[t-1]; 0 for fewer
    // than three steps.
    at::Tensor command_roughness, recorded_roughness;
    at::Tensor commanded, recorded;  // float [L, A], in the units of the data
  };
  std::vector<Episode> episodes;

  // Double [A], over all steps of all episodes.
  ROBOIMI_EXPORT at::Tensor rms() const;
  // The RMS over steps and dimensions, in units of half of each dimension's range, as normalized to
  // [-1, 1] (contract/min_max.h). Of all episodes, or only of `episode`.
  ROBOIMI_EXPORT double normalized_rms(const ActionRange& range) const;
  ROBOIMI_EXPORT static double normalized_rms(const Episode& episode, const ActionRange& range);
  // The roughness of the commands relative to the demonstrations: the ratio of the normalized RMS
  // of their second differences. Infinite if the demonstrations' is zero.
  ROBOIMI_EXPORT double roughness_ratio(const ActionRange& range) const;
};

// Throws Error for an agent that does not act, data that does not fit it, no episodes or an episode
// that the dataset does not have, and Interrupted if should_stop returns true.
ROBOIMI_EXPORT OpenLoopError open_loop_error(Agent& agent, const Dataset& dataset,
                                             const std::vector<std::int64_t>& episodes,
                                             const OpenLoopOptions& options);

}  // namespace roboimi
