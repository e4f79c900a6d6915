#include "roboimi/train/trainer.h"

#include <fmt/format.h>

#include <chrono>

#include "roboimi/common/error.h"
#include "roboimi/common/hash.h"
#include "roboimi/common/log.h"
#include "roboimi/common/memory.h"
#include "roboimi/common/random.h"
#include "roboimi/contract/autocast.h"
#include "roboimi/train/cpu_speed.h"
#include "roboimi/train/graphed_step.h"
#include "roboimi/train/metrics_window.h"
#include "roboimi/train/replicas.h"

namespace roboimi {
namespace {

std::string loss_note(const Scalars& metrics) {
  const auto loss = metrics.find("train/loss");
  return loss == metrics.end() ? "" : fmt::format("loss {:.4g}", loss->second);
}

}  // namespace

// ---- The loop -----------------------------------------------------------------------------------

Trainer::Trainer(TrainerParts parts, const TrainOptions& options)
    : parts_(std::move(parts)), options_(options) {
  // Check the options against the device and the memory.
  if (parts_.communicator == nullptr) parts_.communicator = &single_process_;
  check_cuda_graph(options_.cuda_graph, parts_.device);
  set_tf32(parts_.device, options_.tf32);
  Agent& agent = parts_.agent;
  check_memory();
  // Lay out the weights and give all processes the same.
  flat_ = std::make_unique<FlatParameters>(
      agent, [&agent](const std::string& name, const at::Tensor& parameter) {
        return agent.decays(name, parameter);
      });
  if (parts_.communicator->size() > 1) {
    share_state(agent, *parts_.communicator);
    agent.share_batches(*parts_.communicator);
  }
  optimizer_ = std::make_unique<AdamW>(*flat_, options_.optimizer);
  if (options_.use_ema) ema_ = std::make_unique<Ema>(*flat_, options_.ema);
  graph_steps();
}

Trainer::~Trainer() = default;

// Checks for memory for the flat parameters, the gradients, two moments and the average.
void Trainer::check_memory() const {
  if (!parts_.device.is_cpu()) return;
  double bytes = 0;
  for (const at::Tensor& parameter : parts_.agent.parameters()) {
    if (parameter.requires_grad()) bytes += static_cast<double>(parameter.nbytes());
  }
  require_memory(bytes * (options_.use_ema ? 5 : 4), "training these weights",
                 "training on the CPU", "train a smaller policy");
}

TrainEnd Trainer::run() {
  // Set up, and restore the unfinished metrics of a resumed run.
  parts_.agent.train();
  logger().info("training {} parameters from step {} to {} on {}", flat_->num_parameters(), step_,
                options_.max_steps, parts_.device.str());
  if (options_.mixed_precision && leads()) warn_where_autocast_is_slow(parts_.device);
  progress_ = std::make_unique<Progress>("train", options_.max_steps, step_);
  drop_graph();  // an old recording adds to the former window
  window_ = std::make_unique<MetricsWindow>(parts_.device);
  window_->restore(unlogged_, *parts_.communicator);
  const std::int64_t first = step_;
  const bool is_resumed = saved_step_ == step_;
  if (is_resumed && leads() && parts_.checkpoints != nullptr) parts_.checkpoints->recover();
  // If the run was stopped during the checkpoint's validation or before the end of its rollouts,
  // run them now.
  if (is_resumed) repeat_validation();
  if (is_resumed && rollouts_due()) roll_out();
  // Train. Steps on a CPU may take seconds, so the progress is shown between the log's lines too.
  const bool shows_steps = parts_.device.is_cpu() && leads();
  CpuEstimate estimate(first, options_.max_steps);
  while (step_ < options_.max_steps && !any_process(stop_requested(), *parts_.communicator)) {
    train_step();
    if (step_ == first + 1) check_views();
    if (step_ % options_.log_every == 0 || step_ == options_.max_steps) {
      log();
    } else if (shows_steps) {
      progress_->update(step_, loss_note(metrics_));
    }
    if (const std::string slow = shows_steps ? estimate.after_step(step_) : ""; !slow.empty()) {
      progress_->clear();
      logger().warn("{}", slow);
    }
    if (validation_due()) validate();
    const bool rolls_out = rollouts_due();
    if (step_ % options_.save_every == 0 || step_ == options_.max_steps || rolls_out) save();
    if (rolls_out) roll_out();
  }
  // Save the last step.
  const bool validation_is_missing = any_process(validation_due(), *parts_.communicator);
  const bool interrupted = step_ < options_.max_steps || validation_is_missing || rollouts_due();
  if (saved_step_ != step_) save();
  if (parts_.tracker != nullptr) parts_.tracker->flush();
  progress_.reset();
  return interrupted ? TrainEnd::kInterrupted : TrainEnd::kFinished;
}

Batch Trainer::next_batch(std::int64_t batch_index) {
  const auto asked = std::chrono::steady_clock::now();
  Batch batch = parts_.batches(batch_index);
  window_->add_data_time(std::chrono::steady_clock::now() - asked);
  return batch;
}

std::uint64_t Trainer::seed_of(std::int64_t batch_index) const {
  const auto rank = static_cast<std::uint64_t>(parts_.communicator->rank());
  return mix_seed(parts_.seed, static_cast<std::uint64_t>(batch_index), rank);
}

LossReport Trainer::add_gradients(std::int64_t batch_index) {
  const Batch batch = next_batch(batch_index);
  at::Generator generator = make_generator(seed_of(batch_index), parts_.device);
  return add_gradients(batch, generator);
}

// Forward and backward pass of one batch. The loss is divided by the number of batches per step.
LossReport Trainer::add_gradients(const Batch& batch, at::Generator& generator) {
  const LossReport report = [&] {
    const Autocast mixed(parts_.device, options_.mixed_precision);
    return parts_.agent.loss(batch, generator);
  }();
  const bool alone = options_.accumulate == 1;
  (alone ? report.loss : report.loss / static_cast<double>(options_.accumulate)).backward();
  return report;
}

void Trainer::train_step() {
  if (train_graphed_step()) return;
  // Accumulate gradients, and average them over the processes.
  flat_->zero_gradients();
  for (std::int64_t part = 0; part < options_.accumulate; ++part) {
    window_->add_batch(add_gradients(step_ * options_.accumulate + part), options_.accumulate);
  }
  if (parts_.communicator->size() > 1) {
    for (const FlatGroup& group : flat_->groups()) {
      at::Tensor gradients = group.gradients;
      parts_.communicator->all_reduce(gradients);
      gradients.div_(static_cast<double>(parts_.communicator->size()));
    }
  }
  // Clip and update.
  const at::Tensor norm = flat_->clip_gradients(options_.clip_norm);
  optimizer_->step(options_.schedule.learning_rate(step_));
  if (ema_) ema_->update();
  ++step_;
  window_->finish_step(step_, norm);
}

// ---- Metrics ------------------------------------------------------------------------------------

// Detects, for example, a zero_grad() in a plugin, which would silently disable training.
void Trainer::check_views() const {
  try {
    flat_->check_views();
  } catch (const Error& error) {
    Error::Parts parts = error.parts();
    parts.where = fmt::format("agent {}, {}", parts_.agent.name(), parts.where);
    throw Error(std::move(parts));
  }
}

void Trainer::check_finite() const {
  const std::int64_t bad = window_->first_bad_step();
  if (bad < 0) return;
  const auto good = parts_.checkpoints != nullptr ? parts_.checkpoints->latest()
                                                  : std::optional<std::filesystem::path>();
  throw Error({.what = "the loss or its gradient is not a finite number",
               .where = fmt::format("training step {}", bad),
               .next = fmt::format("the last good checkpoint is {}; try a smaller "
                                   "train.learning_rate or train.clip_norm",
                                   good ? good->string() : "none")});
}

void Trainer::log() {
  check_views();
  check_finite();
  Scalars values = window_->means(*parts_.communicator);
  values["train/learning_rate"] = options_.schedule.learning_rate(step_ - 1);
  if (parts_.tracker != nullptr) parts_.tracker->scalars(step_, values);
  if (leads()) progress_->update(step_, loss_note(values));
  metrics_ = values;
  if (graphed_) {
    window_->clear_in_place();
  } else {
    window_ = std::make_unique<MetricsWindow>(parts_.device);
  }
}

// ---- Checkpoints --------------------------------------------------------------------------------

void Trainer::save() {
  // Check that the weights are usable and equal in all processes.
  check_finite();
  saved_step_ = step_;
  if (parts_.communicator->size() > 1) {
    require_same_parameters(*flat_, *parts_.communicator, fmt::format("training step {}", step_));
    share_buffers(parts_.agent, *parts_.communicator);
  }
  MetricsSums unlogged = window_->sums(*parts_.communicator);
  if (parts_.checkpoints == nullptr || !leads()) return;
  // Write the checkpoint, after the metrics that belong to it.
  Checkpoint checkpoint{
      .state = {.step = step_,
                .seed = parts_.seed,
                .config_sha256 = Sha256().update_text(parts_.config_yaml).hex(),
                .conditions = conditions(),
                .spec = parts_.agent.spec(),
                .action_range = parts_.action_range,
                .state_range = parts_.state_range,
                .metrics = metrics_,
                .validation = validation_.step == step_ ? validation_.results
                                                        : std::map<std::string, double>(),
                .unlogged = std::move(unlogged)},
      .model = tensors_of(parts_.agent),
      .optimizer = optimizer_->state(),
      .model_metadata = parts_.agent.metadata(),
      .config_yaml = parts_.config_yaml};
  if (ema_) {
    checkpoint.state.ema_step = ema_->step();
    checkpoint.ema = ema_->state();
  }
  if (parts_.tracker != nullptr) parts_.tracker->flush();
  const auto folder = parts_.checkpoints->save(checkpoint);
  logger().debug("saved {}", folder.string());
}

void Trainer::resume(const Checkpoint& checkpoint) {
  const CheckpointState& state = checkpoint.state;
  drop_graph();
  if (state.ema_step.has_value() != options_.use_ema) {
    throw Error({.what = "the checkpoint was trained with a different train.ema",
                 .expected = options_.use_ema ? "averaged weights" : "none",
                 .found = state.ema_step ? "averaged weights" : "none"});
  }
  // Restore the state.
  load_tensors_strictly(parts_.agent, checkpoint.model, "model.safetensors");
  optimizer_->load_state(checkpoint.optimizer);
  if (ema_) ema_->load_state(checkpoint.ema, *state.ema_step);
  step_ = saved_step_ = state.step;
  if (!state.validation.empty()) {
    validation_ = {.step = state.step, .results = state.validation};
  }
  if (!state.rollouts.empty()) rolled_out_step_ = state.step;
  metrics_ = state.metrics;
  unlogged_ = state.unlogged;
  // Warn if the conditions differ.
  const std::string difference = state.conditions.difference(conditions());
  if (!difference.empty() && leads()) logger().warn("resuming is not bit-exact: {}", difference);
}

NumericConditions Trainer::conditions() const {
  NumericConditions current = NumericConditions::current(parts_.device.str());
  if (options_.mixed_precision) current.precision = "bfloat16 autocast";
  current.processes = parts_.communicator->size();
  if (options_.tf32 && parts_.device.is_cuda()) current.matmul = "tf32";
  current.cuda_graph = graphed_ != nullptr;
  return current;
}

}  // namespace roboimi
