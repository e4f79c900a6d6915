// The trainer's evaluations of the averaged weights: validation and rollouts.
#include <chrono>

#include "roboimi/common/interrupted.h"
#include "roboimi/common/log.h"
#include "roboimi/train/metrics_window.h"
#include "roboimi/train/replicas.h"
#include "roboimi/train/trainer.h"

namespace roboimi {

bool Trainer::validation_due() const {
  if (!parts_.validation || !leads() || step_ == 0) return false;
  if (validation_.step == step_ || rolled_out_step_ == step_) return false;  // it is over
  const std::int64_t every = options_.validate_every;
  return step_ == options_.max_steps || (every > 0 && step_ % every == 0);
}

void Trainer::validate() {
  progress_->clear();
  const auto started = std::chrono::steady_clock::now();
  const auto results = measure_validation();
  parts_.agent.train();
  drop_graph();
  if (results) {
    validation_ = {.step = step_, .results = *results};
    Scalars values;
    for (const auto& [name, value] : *results) values["validation/" + name] = value;
    if (parts_.tracker != nullptr) parts_.tracker->scalars(step_, values);
  }
  window_->exclude_time(std::chrono::steady_clock::now() - started);
}

// Returns nullopt if Ctrl-C ended the validation early; the resumed run then repeats it.
std::optional<std::map<std::string, double>> Trainer::measure_validation() {
  try {
    const LocalLosses local(parts_.agent, *parts_.communicator);
    const auto averaged = ema_ ? std::make_unique<EmaWeights>(*ema_) : nullptr;
    return parts_.validation(step_);
  } catch (const Interrupted& error) {
    logger().warn("step {}: the validation ended early: {}", step_, error.what());
    return std::nullopt;
  }
}

// A checkpoint is saved after its validation, so it has none only if that was interrupted. The
// checkpoint is saved again with the results, before its rollouts.
void Trainer::repeat_validation() {
  if (!any_process(validation_due(), *parts_.communicator)) return;
  if (leads()) validate();
  save();
}

// Gives the same result in every process: rank 0 runs the rollouts while the others wait.
bool Trainer::rollouts_due() const {
  if (!parts_.rollouts || options_.rollout_num_episodes == 0 || step_ == 0) return false;
  if (rolled_out_step_ == step_) return false;
  const std::int64_t every = options_.rollout_every;
  return step_ == options_.max_steps || (every > 0 && step_ % every == 0);
}

void Trainer::roll_out() {
  progress_->clear();
  const auto started = std::chrono::steady_clock::now();
  std::optional<std::map<std::string, double>> results;
  if (leads()) results = measure_rollouts();
  // The other processes wait here.
  if (!any_process(results.has_value(), *parts_.communicator)) return;
  rolled_out_step_ = step_;
  if (results) {
    Scalars values;
    for (const auto& [name, value] : *results) values[kRolloutPrefix + name] = value;
    if (parts_.tracker != nullptr) {
      // Write the metrics before the checkpoint's record: on resume, metrics of rollouts that are
      // not in the checkpoint are removed.
      parts_.tracker->scalars(step_, values);
      parts_.tracker->flush();
    }
    if (parts_.checkpoints != nullptr) parts_.checkpoints->record_rollouts(step_, *results);
  }
  // Rollouts do not count as training time.
  window_->exclude_time(std::chrono::steady_clock::now() - started);
}

// Returns nullopt if Ctrl-C ended the rollouts early; the resumed run then repeats them.
std::optional<std::map<std::string, double>> Trainer::measure_rollouts() {
  std::map<std::string, double> results;
  try {
    const LocalLosses local(parts_.agent, *parts_.communicator);
    const auto averaged = ema_ ? std::make_unique<EmaWeights>(*ema_) : nullptr;
    results = parts_.rollouts(step_);
  } catch (const Interrupted& error) {
    logger().warn("step {}: the rollouts ended early: {}", step_, error.what());
    return std::nullopt;
  }
  parts_.agent.train();
  drop_graph();
  return results;
}

}  // namespace roboimi
