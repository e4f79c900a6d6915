// The training of a run, between its preparation and its end.
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/log.h"
#include "roboimi/common/paths.h"
#include "roboimi/contract/backbone.h"
#include "roboimi/contract/run_files.h"
#include "roboimi/data/statistics.h"
#include "roboimi/plugin/registry.h"
#include "roboimi/rollout/open_loop_image.h"
#include "roboimi/rollout/rollout.h"
#include "roboimi/track/metrics_file.h"
#include "roboimi/track/progress.h"
#include "roboimi/track/tensorboard_file.h"
#include "roboimi/train/experiment_run.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

using Measurement = std::function<Scalars(std::int64_t step)>;

}  // namespace

void Experiment::resume(Trainer& trainer) {
  try {
    trainer.resume(*resumed_);
  } catch (const Error& error) {
    Error::Parts parts = error.parts();
    const std::string step = step_name(resumed_->state.step);
    parts.where = parts.where.empty() ? step : step + ": " + parts.where;
    if (!changes_.empty()) {
      parts.what = "changed since the run was started: " + changes_ + "; " + parts.what;
    }
    parts.next = "resume with the configuration of the run: roboimi run --resume " +
                 shell_word(folder_.string());
    throw Error(std::move(parts));
  }
  if (leads_) write_text_atomically(folder_ / "config.yaml", config_.to_yaml());
  resumed_.reset();
}

// A resumed run uses the former number of threads by default: it determines how sums are split, and
// so the last bits of the results.
void Experiment::apply_threads() {
  std::int64_t threads = train_.threads;
  if (threads == 0 && resumed_) threads = resumed_->state.conditions.threads;
  if (threads > 0) at::set_num_threads(static_cast<int>(threads));
  record_.threads = at::get_num_threads();
  warn_of_few_cores(*communicator_);
}

int Experiment::train() {
  // Record the run.
  apply_threads();
  record_.name = experiment_.name;
  record_.command = run_.command;
  record_.choices = run_.choices;
  record_.device = device_.str();
  record_.processes = communicator_->size();
  write_record();

  // Prepare the data and train.
  if (leads_) keep_run_files(folder_, *agent_);
  prepare_data();
  build_trackers();
  Trainer trainer(
      {.agent = *agent_,
       .batches = [this](std::int64_t step) { return data_.sampler->batch(step); },
       .checkpoints = checkpoints_.get(),
       .tracker = leads_ ? &trackers_ : nullptr,
       .validation = validation_ == nullptr ? Measurement()
                                            : [this](std::int64_t step) { return validate(step); },
       .rollouts =
           !rolls_out() ? Measurement() : [this](std::int64_t step) { return roll_out(step); },
       .should_stop = [this] { return stop_.requested(); },
       .communicator = communicator_.get(),
       .seed = experiment_.seed,
       .device = device_,
       .config_yaml = config_.to_yaml(),
       .action_range = data_.action_range,
       .state_range = state_range(data_.statistics.state)},
      train_);
  if (leads_ && resumed_ && resumed_->state.step == train_.max_steps) {
    logger().info("the run already has all of its {} steps; train.max_steps=N continues it",
                  train_.max_steps);
  }
  if (resumed_) resume(trainer);
  const TrainEnd end = trainer.run();
  // Report the result.
  const auto latest = checkpoints_->latest();
  logger().info("{} after {} steps: {}", end == TrainEnd::kFinished ? "finished" : "interrupted",
                trainer.step(), latest ? latest->string() : folder_.string());
  if (end == TrainEnd::kFinished) return 0;
  logger().info("to continue: roboimi run --resume {}", shell_word(folder_.string()));
  return kInterruptedStatus;
}

TrainingDataOptions Experiment::data_options() const {
  Registry& registry = Registry::instance();
  return {.batch_size = train_.batch_size,
          .seed = experiment_.seed,
          .device = device_,
          .backbone_identity = feature_identity(registry, experiment_.agent),
          .data_identity =
              component_identity(registry, ComponentKind::kDataset, experiment_.data, "data"),
          .held_out = train_.held_out,
          .rank = communicator_->rank(),
          .num_processes = communicator_->size(),
          .should_stop = [this] { return stop_.requested(); }};
}

void Experiment::prepare_data() {
  // Rank 0 fills the caches, then the others read them.
  const TrainingDataOptions preparation = data_options();
  first_rank_first(*communicator_,
                   [&] { fill_training_data(data_, *agent_, experiment_.cache, preparation); });
  // Hand the results to the agent, the validation and run.json.
  agent_->set_statistics(data_.statistics);
  if (leads_ && data_.held_out_sampler) {
    validation_ = std::make_unique<Validation>(
        *agent_, data_,
        ValidationOptions{.batch_size = train_.batch_size,
                          .seed = experiment_.seed,
                          .device = device_,
                          .open_loop_episodes = train_.open_loop_episodes,
                          .should_stop = [this] { return stop_.requested(); }});
  }
  const std::string former = std::exchange(record_.data_fingerprint, data_.fingerprint);
  if (leads_ && !former.empty() && former != data_.fingerprint) {
    logger().warn(
        "the data files have other paths, sizes or times than when this run was started: it "
        "continues as if it had not been stopped only if their contents are the same");
  }
  record_.num_episodes = data_.dataset->num_episodes();
  record_.num_windows = data_.sampler->num_windows();
  logger().info("{} episodes, {} windows", record_.num_episodes, record_.num_windows);
  for (const std::string& line : data_.describe_shares()) logger().info("draws: {}", line);
  write_record();
}

void Experiment::build_trackers() {
  if (!leads_) return;
  // Remove metrics of a resumed run that are newer than its checkpoint.
  const std::int64_t step = resumed_ ? resumed_->state.step : 0;
  const fs::path metrics = folder_ / "metrics.jsonl";
  if (resumed_) {
    const bool rolled_out = !resumed_->state.rollouts.empty();
    cut_metrics_back(metrics, step, rolled_out);
    cut_events_back(folder_, step, rolled_out);
  }
  // Add the trackers.
  trackers_.add(std::make_unique<MetricsFile>(metrics));
  trackers_.add(std::make_unique<TensorBoardFile>(folder_, step));
  if (swanlab_) {
    trackers_.add(std::make_unique<SwanlabFollower>(
        *swanlab_, folder_, [this] { write_run_record(folder_, record_); }));
  }
}

Scalars Experiment::validate(std::int64_t step) {
  const fs::path folder = folder_ / "validation" / step_name(step);
  const auto metrics = validation_->measure(folder);
  const std::int64_t first = data_.held_out_episodes.front();
  for (const std::string& name : {std::string("pca_episode"), open_loop_image_name(first)}) {
    const fs::path image = folder / (name + ".png");
    if (fs::exists(image)) trackers_.image(step, "validation/" + name, image);
  }
  std::string text;
  for (const auto& [name, value] : metrics) text += fmt::format("  {} {:.4g}", name, value);
  logger().info("step {}: validation{}", step, text);
  return metrics;
}

Scalars Experiment::roll_out(std::int64_t step) {
  // Remove the files of an interrupted attempt, then run the rollouts.
  const fs::path folder = folder_ / "rollouts" / step_name(step);
  fs::remove_all(folder);
  Progress progress("rollouts", train_.rollout_num_episodes);
  progress.update(0, "");
  const RolloutSummary summary =
      run_rollouts(*agent_, *environment_,
                   {.num_episodes = train_.rollout_num_episodes,
                    .first_seed = train_.rollout_seed,
                    .output_folder = folder,
                    .num_videos = train_.rollout_num_videos,
                    .progress = [&](std::int64_t done) { progress.update(done, ""); },
                    .should_stop = [this] { return stop_.requested(); }});
  progress.clear();
  // Report the results.
  const fs::path image = folder / "trajectory_000.png";
  if (fs::exists(image)) trackers_.image(step, "rollout/trajectory_000", image);
  logger().info("step {}: success {:.0f} % of {} episodes, mean highest reward {:.2f}; {}", step,
                100 * summary.success_rate(), summary.episodes.size(),
                summary.mean_highest_reward(), folder.string());
  return {{"success_rate", summary.success_rate()},
          {"mean_highest_reward", summary.mean_highest_reward()},
          {"inference_ms", summary.timings().inference_ms},
          {"loop_total_ms", summary.timings().loop_total_ms}};
}

}  // namespace roboimi
