// When chunks are asked for, and what is commanded of them. Steps count from 0 at reset().
//
//   ActionSchedule schedule({.horizons = {2, 16, 8}, .latency_steps = 1});
//   if (schedule.plans_at(step)) schedule.add(step, chunk);  // [H, A]; arrives at arrival(step)
//   at::Tensor command = schedule.command(step);             // [A]
//
// Commands change from one chunk to the next every num_action steps. The chunk of the change at
// step k is conditioned on the observations up to step k - latency_steps and starts at its row
// first_action() + latency_steps; the first chunk, before which nothing can be played, is waited
// for. A chunk that is added later than that starts at the row of the step it is added at. With an
// ensemble every chunk that has arrived and covers a step has a say in it, with weights exp(-decay
// i), i = 0 the oldest (ACT, arXiv 2304.13705, algorithm 2).
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
  std::optional<double> ensemble_decay = {};  // none: the newest chunk commands alone
};

// Error unless the rows that are executed lie in the chunk, at or after the present, and a chunk
// has arrived before the next is asked for.
void check_execution(const ExecutionOptions& options);

// Error unless `chunk`, which a head returned, is floating [H, A]. `head` names it.
void check_chunk(const ExecutionOptions& options, const at::Tensor& chunk, const std::string& head);

class ActionSchedule {
 public:
  explicit ActionSchedule(const ExecutionOptions& options);

  void reset() { chunks_.clear(); }
  // The first step not before `step` whose observation conditions a chunk.
  std::int64_t next_plan(std::int64_t step) const;
  bool plans_at(std::int64_t step) const { return next_plan(step) == step; }
  // The step at which the chunk asked for at `plan` is first executed.
  std::int64_t arrival(std::int64_t plan) const {
    return plan == 0 ? 0 : plan + options_.latency_steps;
  }
  // A chunk float [H, A], un-normalised, conditioned on the observations up to step `plan`. Chunks
  // come in the order of their plans, and not before they have arrived.
  void add(std::int64_t plan, const at::Tensor& chunk);
  // Whether a chunk that has arrived reaches as far as `step`.
  bool covers(std::int64_t step) const {
    return !chunks_.empty() && step - chunks_.back().start < options_.horizons.pred;
  }
  // A step that is covered; steps must not decrease.
  at::Tensor command(std::int64_t step);
  // What command(step) would give if no other chunk came.
  at::Tensor planned(std::int64_t step) const;

 private:
  struct Chunk {
    std::int64_t start = 0;  // the step of its row 0; below 0 for the past
    at::Tensor actions;      // [H, A]
  };

  std::vector<const Chunk*> covering(std::int64_t step) const;

  ExecutionOptions options_;
  std::deque<Chunk> chunks_;  // oldest first
};

}  // namespace roboimi::vla_agent
