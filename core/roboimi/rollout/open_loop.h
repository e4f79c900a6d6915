// How far a policy's commands are from a demonstration's while it sees what the demonstrator saw:
// at every step the recorded observation, never what its own commands would lead to.
//
//   OpenLoopError error = open_loop_error(agent, dataset, {45, 46, 47}, {});
//   error.rms()                   // [A], in the units of the data
//   error.roughness_ratio(range)  // 1: as smooth as the demonstrator
//
// A policy that is far off here has not learned its data. One that is near may still fail in closed
// loop, where its own errors lead it to what no demonstration shows.
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
  std::uint64_t seed = 0;  // of the policy's noise, with the episode's number
  std::function<bool()> should_stop = {};
  std::function<void(std::int64_t episodes_done)> progress = {};
};

struct OpenLoopError {
  struct Episode {
    std::int64_t index = 0;  // in the dataset
    std::int64_t num_steps = 0;
    at::Tensor mean_square;  // double [A], of command - recorded, over its steps
    // Double [A], means of the squared second differences x[t+1] - 2 x[t] + x[t-1]; 0 for fewer
    // than three steps.
    at::Tensor command_roughness, recorded_roughness;
  };
  std::vector<Episode> episodes;

  // Double [A], over all steps of all episodes.
  ROBOIMI_EXPORT at::Tensor rms() const;
  // The root of the mean over steps and dimensions, each divided by half of its range in `range`,
  // as by a normaliser to [-1, 1] (contract/min_max.h). `episode` alone, or all of them.
  ROBOIMI_EXPORT double normalized_rms(const ActionRange& range) const;
  ROBOIMI_EXPORT static double normalized_rms(const Episode& episode, const ActionRange& range);
  // How much rougher the commands are than the demonstrations: the quotient of their second
  // differences' rms, each dimension divided by half of its range. Infinite where the
  // demonstrations have none.
  ROBOIMI_EXPORT double roughness_ratio(const ActionRange& range) const;
};

// Error for an agent that does not act, data that it cannot act on, no episodes, an episode that
// the dataset does not have, and when asked to stop.
ROBOIMI_EXPORT OpenLoopError open_loop_error(Agent& agent, const Dataset& dataset,
                                             const std::vector<std::int64_t>& episodes,
                                             const OpenLoopOptions& options);

}  // namespace roboimi
