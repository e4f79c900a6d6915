// The schedule of action chunks: when chunks are requested, and which command is executed at each
// step. Steps count from 0 at reset().
//
//   ActionSchedule schedule({.horizons = {2, 16, 8}, .latency_steps = 1});
//   if (schedule.plans_at(step)) schedule.add(step, chunk);  // [H, A]; arrives at arrival(step)
//   at::Tensor command = schedule.command(step);             // [A]
//
// Commands change from one chunk to the next every num_action steps. The chunk that takes over at
// step k is conditioned on the observations up to step k - latency_steps and starts at its row
// first_action() + latency_steps. The first chunk must be there at step 0. A chunk that is added
// late starts at the row of the step at which it is added. With an ensemble, the commands of all
// chunks that have arrived and cover a step are averaged with weights exp(-decay i), i = 0 the
// oldest (ACT, arXiv 2304.13705, algorithm 2).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "roboimi/contract/agent.h"

namespace roboimi::vla_agent {

struct ExecutionOptions {
  Horizons horizons;
  std::int64_t action_dim = 0;  // A
  std::int64_t latency_steps = 0;
  std::optional<double> ensemble_decay = {};  // none: use only the newest chunk
};

// Error unless the executed rows are in the chunk, at or after the current step, and each chunk
// arrives before the next one is requested.
void check_execution(const ExecutionOptions& options);

// Error unless `chunk`, returned by the head named `head`, is floating point [H, A].
void check_chunk(const ExecutionOptions& options, const at::Tensor& chunk, const std::string& head);

class ActionSchedule {
 public:
  explicit ActionSchedule(const ExecutionOptions& options);

  void reset() { chunks_.clear(); }
  // The first step >= `step` at which a chunk is requested.
  std::int64_t next_plan(std::int64_t step) const;
  bool plans_at(std::int64_t step) const { return next_plan(step) == step; }
  // The first step at which the chunk requested at step `plan` is executed.
  std::int64_t arrival(std::int64_t plan) const {
    return plan == 0 ? 0 : plan + options_.latency_steps;
  }
  // Adds an unnormalized chunk, float [H, A], conditioned on the observations up to step `plan`.
  // Add chunks in the order of their plans, and not before their arrival().
  void add(std::int64_t plan, const at::Tensor& chunk);
  // Whether the newest chunk extends to `step`.
  bool covers(std::int64_t step) const {
    return !chunks_.empty() && step - chunks_.back().start < options_.horizons.pred;
  }
  // The command [A] for a covered step. Steps must not decrease.
  at::Tensor command(std::int64_t step);
  // The result of command(step) if no further chunk is added.
  at::Tensor planned(std::int64_t step) const;

 private:
  struct Chunk {
    std::int64_t start = 0;  // step of row 0; negative if before the episode
    at::Tensor actions;      // [H, A]
  };

  std::vector<const Chunk*> covering(std::int64_t step) const;

  ExecutionOptions options_;
  std::deque<Chunk> chunks_;  // oldest first
};

}  // namespace roboimi::vla_agent
