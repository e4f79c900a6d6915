#include "plugins/vla_agent/action_space.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

#include "roboimi/common/error.h"

namespace roboimi::vla_agent {
namespace {

std::vector<Normalization> of_each(const std::vector<Normalization>& kinds, std::int64_t dim) {
  if (kinds.size() == 1) {
    return std::vector<Normalization>(static_cast<std::size_t>(dim), kinds.front());
  }
  return kinds;
}

// The statistics of the relative dimensions from `relative`, of the others from `absolute`.
Statistics merged(const Statistics& relative, const Statistics& absolute, const at::Tensor& mask) {
  const at::Tensor chosen = mask.to(at::kCPU).gt(0.5);
  const auto either = [&](const at::Tensor& a, const at::Tensor& b) {
    return a.defined() && b.defined() ? at::where(chosen, a, b) : at::Tensor();
  };
  return {.min = either(relative.min, absolute.min),
          .max = either(relative.max, absolute.max),
          .mean = either(relative.mean, absolute.mean),
          .std = either(relative.std, absolute.std),
          .q01 = either(relative.q01, absolute.q01),
          .q99 = either(relative.q99, absolute.q99)};
}

}  // namespace

void check_action_options(const ActionOptions& options, std::int64_t action_dim,
                          std::int64_t state_dim) {
  if (options.are_relative && state_dim != action_dim) {
    throw Error({.what = "relative actions need a state with the elements of the actions",
                 .where = "agent.actions",
                 .expected = fmt::format("a state of size {}", action_dim),
                 .found = fmt::format("size {}", state_dim),
                 .next = "set agent.actions=absolute"});
  }
  if (!options.are_relative && !options.absolute_dims.empty()) {
    throw Error({.what = "all actions are absolute",
                 .where = "agent.absolute_actions",
                 .expected = "an empty list, or agent.actions=relative"});
  }
  for (const std::int64_t dim : options.absolute_dims) {
    if (dim >= 0 && dim < action_dim) continue;
    throw Error({.what = "no such action dimension",
                 .where = "agent.absolute_actions",
                 .expected = fmt::format("0 to {}", action_dim - 1),
                 .found = std::to_string(dim)});
  }
  const std::int64_t kinds = std::ssize(options.normalization);
  if (kinds == 1 || kinds == action_dim) return;
  throw Error({.what = "wrong number of normalizations",
               .where = "agent.action_normalizations",
               .expected = fmt::format("one for each of {} actions", action_dim),
               .found = std::to_string(kinds)});
}

ActionSpace::ActionSpace(const ActionOptions& options, std::int64_t action_dim,
                         torch::nn::Module& owner) {
  normalizer_ = owner.register_module(
      "action_normalizer",
      std::make_shared<Normalizer>("action", of_each(options.normalization, action_dim)));
  if (!options.are_relative) return;
  at::Tensor relative = at::ones({action_dim});
  for (const std::int64_t dim : options.absolute_dims) relative[dim].fill_(0.0);
  relative_ = owner.register_buffer("relative_actions", relative);
}

void ActionSpace::fit(const DatasetStatistics& statistics) {
  if (!is_relative()) {
    normalizer_->fit(statistics.action);
    return;
  }
  if (!statistics.relative_action) {
    throw Error({.what = "there are no statistics of relative actions",
                 .where = "agent.actions",
                 .expected = "training data with a state of the actions' size",
                 .next = "set agent.actions=absolute"});
  }
  normalizer_->fit(merged(*statistics.relative_action, statistics.action, relative_));
}

at::Tensor ActionSpace::normalize(const at::Tensor& commands, const at::Tensor& state) const {
  if (!is_relative()) return normalizer_->normalize(commands);
  return normalizer_->normalize(commands - state * relative_);
}

at::Tensor ActionSpace::commands_of(const at::Tensor& actions, const at::Tensor& state) const {
  const at::Tensor commands = normalizer_->unnormalize(actions);
  return is_relative() ? commands + state * relative_ : commands;
}

}  // namespace roboimi::vla_agent
