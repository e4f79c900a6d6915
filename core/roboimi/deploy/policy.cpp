#include "roboimi/deploy/policy.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <torch/utils.h>

#include <algorithm>
#include <chrono>

#include "roboimi/checkpoint/loaded_run.h"
#include "roboimi/common/error.h"
#include "roboimi/contract/agent.h"
#include "roboimi/deploy/check_observation.h"
#include "roboimi/plugin/registry.h"

namespace roboimi {
namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::duration<double, std::milli>;

void check(const PolicyOptions& options) {
  if (options.threads < 1) {
    throw Error({.what = "a policy needs at least one thread",
                 .where = "threads",
                 .expected = "at least 1",
                 .found = std::to_string(options.threads)});
  }
  if (options.deadline_ms && !(*options.deadline_ms > 0)) {
    throw Error({.what = "the deadline is not positive",
                 .where = "deadline_ms",
                 .expected = "above 0, or unset",
                 .found = fmt::format("{}", *options.deadline_ms)});
  }
}

void check_command(const at::Tensor& command, std::int64_t action_dim, Error::Parts parts) {
  const bool fits = command.defined() && command.dim() == 1 && command.size(0) == action_dim;
  if (fits && at::isfinite(command).all().item<bool>()) return;
  parts.expected = fmt::format("{} finite values", action_dim);
  parts.found = fits ? "a value that is not finite" : "another size";
  throw Error(std::move(parts));
}

// Calls the agent. Converts other exceptions to an Error, so that the message shows their origin.
template <typename Call>
auto calling_agent(const char* function, const std::string& where, Call call) {
  const auto failed = [&](const std::string& found) {
    return Error({.what = fmt::format("the agent failed in {}()", function),
                  .where = where,
                  .found = found});
  };
  try {
    return call();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw failed(one_line_message(error));
  } catch (...) {
    throw failed("an exception that is not a std::exception");
  }
}

void count_each(const std::vector<std::int64_t>& indices, std::vector<std::int64_t>& counts) {
  for (const std::int64_t index : indices) ++counts[static_cast<std::size_t>(index)];
}

}  // namespace

Policy::Policy(LoadedRun loaded, const PolicyOptions& options, const std::string& where)
    : loaded_(std::make_unique<LoadedRun>(std::move(loaded))),
      where_(where),
      threads_(options.threads),
      deadline_ms_(options.deadline_ms),
      limits_(options.limits, loaded_->state.action_range, spec().action_dim, where),
      watch_(loaded_->state.state_range, spec().state_dim(), where) {
  check(options);
  loaded_->agent->eval();
  // Make the actor, with the deadline if there is one.
  ActorOptions acting;
  if (deadline_ms_) {
    acting.deadline =
        std::chrono::duration_cast<std::chrono::nanoseconds>(Milliseconds(*deadline_ms_));
  }
  actor_ = require_actor(*loaded_->agent, acting, where);
  // Start the report's counters at zero.
  const auto action_dim = static_cast<std::size_t>(spec().action_dim);
  report_.limited_by_range.assign(action_dim, 0);
  report_.limited_by_step.assign(action_dim, 0);
  report_.state_outside.assign(static_cast<std::size_t>(spec().state_dim()), 0);
}

Policy::~Policy() = default;

const ObservationSpec& Policy::spec() const { return loaded_->agent->spec(); }

const ConfigNode& Policy::config() const { return loaded_->config; }

void Policy::reset(std::uint64_t seed, const at::Tensor& last_command) {
  const std::lock_guard lock(mutex_);
  check_command(last_command, spec().action_dim,
                {.what = "the last command does not match the policy",
                 .where = "Policy::reset",
                 .next = "pass the robot's current command, or Policy::kUnknownCommand"});
  start(seed, last_command.to(at::kCPU, at::kFloat, /*non_blocking=*/false, /*copy=*/true));
}

void Policy::reset(std::uint64_t seed, UnknownCommand) {
  const std::lock_guard lock(mutex_);
  start(seed, at::Tensor());
}

void Policy::start(std::uint64_t seed, const at::Tensor& last_command) {
  calling_agent("reset", where_, [&] { actor_->reset(seed); });
  last_ = last_command;
  is_started_ = true;
}

bool Policy::needs_images() const {
  const std::lock_guard lock(mutex_);
  return calling_agent("needs_images", where_, [&] { return actor_->needs_images(); });
}

// The agent's command, before the limits.
at::Tensor Policy::command_for(const Observation& observation) {
  const Agent& agent = *loaded_->agent;
  check_observation(observation, spec(), agent.stream_names(), actor_->needs_images());
  // Set it only if it differs: setting it clears caches in libtorch.
  if (at::get_num_threads() != threads_) at::set_num_threads(threads_);
  at::Tensor wanted = actor_->act(observation);
  if (wanted.defined()) wanted = wanted.to(at::kCPU, at::kFloat);
  check_command(wanted, spec().action_dim,
                {.what = "the policy's command is invalid",
                 .where = "Policy::act",
                 .next = "stop the robot; check the weights: roboimi checkpoint inspect FILE"});
  return wanted;
}

PolicyStep Policy::act(const Observation& observation) {
  const std::lock_guard lock(mutex_);
  const torch::NoGradGuard no_grad;
  const auto start = Clock::now();
  if (!is_started_) {
    throw Error({.what = "act() before reset()",
                 .where = "Policy::act",
                 .next = "start each episode with reset(seed, the robot's last command)"});
  }
  // Ask the agent.
  const at::Tensor wanted = calling_agent("act", where_, [&] { return command_for(observation); });
  PolicyStep step{.state_outside = watch_.outside(observation.state()),
                  .timing = actor_->last_timing()};
  // Repeat the last command, or limit the new one.
  if (step.held() && last_.defined()) {
    step.action = last_.clone();
  } else {
    LimitedAction limited = limits_.apply(wanted, last_);
    last_ = limited.action.clone();
    step.action = std::move(limited.action);
    step.limited_by_range = std::move(limited.by_range);
    step.limited_by_step = std::move(limited.by_step);
  }
  // Later plans continue from what the robot is sent.
  if (!step.action.equal(wanted)) {
    calling_agent("replace_command", where_, [&] { actor_->replace_command(step.action); });
  }
  step.act_ms = Milliseconds(Clock::now() - start).count();
  count(step);
  return step;
}

void Policy::count(const PolicyStep& step) {
  ++report_.steps;
  report_.late += step.late() ? 1 : 0;
  report_.held += step.held() ? 1 : 0;
  report_.missed_deadlines += deadline_ms_ && step.act_ms > *deadline_ms_ ? 1 : 0;
  count_each(step.limited_by_range, report_.limited_by_range);
  count_each(step.limited_by_step, report_.limited_by_step);
  count_each(step.state_outside, report_.state_outside);
  report_.total_act_ms += step.act_ms;
  report_.max_act_ms = std::max(report_.max_act_ms, step.act_ms);
}

PolicyReport Policy::report() const {
  const std::lock_guard lock(mutex_);
  return report_;
}

std::unique_ptr<Policy> load_policy(const std::filesystem::path& checkpoint,
                                    const PolicyOptions& options) {
  Registry::instance().load_search_path(options.plugin_dirs);
  LoadedRun run = open_run(checkpoint, {.use_ema = options.use_ema,
                                        .overrides = options.overrides,
                                        .device = device_from(options.device),
                                        .trust_plugins = options.trust_plugins});
  const std::string where = run.checkpoint.string();
  return std::make_unique<Policy>(std::move(run), options, where);
}

}  // namespace roboimi
