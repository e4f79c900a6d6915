#include "plugins/vla_agent/action_schedule.h"

#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>

#include <cmath>

#include "roboimi/common/error.h"

namespace roboimi::vla_agent {

void check_execution(const ExecutionOptions& options) {
  const Horizons& horizons = options.horizons;
  const std::int64_t latency = options.latency_steps;

  // The next chunk is requested while the current one is executed.
  if (latency < 0 || latency >= horizons.num_action) {
    throw Error({.what = "no actions are left to execute while the next chunk is computed",
                 .where = "latency_steps",
                 .expected = fmt::format("0 to {} (num_action_steps {} minus 1)",
                                         horizons.num_action - 1, horizons.num_action),
                 .found = std::to_string(latency)});
  }

  // The executed rows must be in the chunk.
  const std::int64_t available = horizons.pred - horizons.first_action() - latency;
  if (horizons.num_action <= available) return;
  throw Error({.what = "the chunk is too short for the actions to execute",
               .where = "pred_horizon",
               .expected = fmt::format(
                   "at least {} ({} actions before the current step{}, and num_action_steps {})",
                   horizons.pred - available + horizons.num_action, horizons.first_action(),
                   latency > 0 ? fmt::format(", {} of latency", latency) : "", horizons.num_action),
               .found = std::to_string(horizons.pred),
               .next = "raise it, or lower num_action_steps"});
}

void check_chunk(const ExecutionOptions& options, const at::Tensor& chunk,
                 const std::string& head) {
  const bool fits = chunk.defined() && chunk.is_floating_point() &&
                    chunk.sizes() == at::IntArrayRef({options.horizons.pred, options.action_dim});
  if (fits) return;
  throw Error({.what = "the head's action chunk has the wrong shape or dtype",
               .where = head,
               .expected = fmt::format("float [{}, {}] (pred_horizon, action_dim)",
                                       options.horizons.pred, options.action_dim),
               .found = chunk.defined() ? c10::str(chunk.scalar_type(), " ", chunk.sizes())
                                        : "an undefined tensor",
               .next = "fix Head::sample of that plugin; `roboimi plugins check` tests it"});
}

ActionSchedule::ActionSchedule(const ExecutionOptions& options) : options_(options) {
  check_execution(options_);
}

std::int64_t ActionSchedule::next_plan(std::int64_t step) const {
  if (step == 0) return 0;
  const std::int64_t period = options_.horizons.num_action;
  const std::int64_t change = (step + options_.latency_steps + period - 1) / period;
  return std::max<std::int64_t>(change, 1) * period - options_.latency_steps;
}

void ActionSchedule::add(std::int64_t plan, const at::Tensor& chunk) {
  check_chunk(options_, chunk, "vla_agent");
  if (!options_.ensemble_decay) chunks_.clear();
  chunks_.push_back({.start = plan - options_.horizons.first_action(), .actions = chunk});
}

at::Tensor ActionSchedule::command(std::int64_t step) {
  while (!chunks_.empty() && step - chunks_.front().start >= options_.horizons.pred) {
    chunks_.pop_front();
  }
  return planned(step);
}

std::vector<const ActionSchedule::Chunk*> ActionSchedule::covering(std::int64_t step) const {
  std::vector<const Chunk*> found;
  for (const Chunk& chunk : chunks_) {
    if (step - chunk.start < options_.horizons.pred) found.push_back(&chunk);
  }
  return found;
}

at::Tensor ActionSchedule::planned(std::int64_t step) const {
  ROBOIMI_CHECK(covers(step), fmt::format("no chunk covers step {}", step));
  const std::vector<const Chunk*> chunks = covering(step);
  const auto action = [&](const Chunk& chunk) { return chunk.actions[step - chunk.start]; };
  if (chunks.size() == 1) return action(*chunks.front()).clone();
  at::Tensor sum = at::zeros_like(action(*chunks.front()));
  double weight = 1.0, weights = 0.0;
  for (const Chunk* chunk : chunks) {
    sum.add_(action(*chunk), weight);
    weights += weight;
    weight *= std::exp(-*options_.ensemble_decay);
  }
  return sum.div_(weights);
}

}  // namespace roboimi::vla_agent
