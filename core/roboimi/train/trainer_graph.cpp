// The trainer's steps as one CUDA graph: recording, replaying and giving up.
#include <fmt/format.h>

#include "roboimi/common/error.h"
#include "roboimi/common/log.h"
#include "roboimi/train/graphed_step.h"
#include "roboimi/train/metrics_window.h"
#include "roboimi/train/trainer.h"

namespace roboimi {

void Trainer::graph_steps() {
  if (options_.cuda_graph == CudaGraphUse::kOff || !parts_.device.is_cuda()) return;
  if (!CudaGraph::available()) return;
  if (parts_.communicator->size() > 1) {
    if (options_.cuda_graph == CudaGraphUse::kOn && leads()) {
      logger().warn(
          "train.cuda_graph=on has no effect with several processes: a graph cannot contain their "
          "exchange of gradients");
    }
    return;
  }
  graphed_ = std::make_unique<GraphedStep>(
      parts_.device,
      GraphedStep::Options{.parts = options_.accumulate,
                           .weight_type = flat_->groups().front().parameters.scalar_type()},
      [this](StepInputs& inputs) { graphed_body(inputs); });
}

// The work of one step on the device. The recording fixes all values read from the host, so only
// constants may be read here.
void Trainer::graphed_body(StepInputs& inputs) {
  const std::size_t num_metrics = window_->num_sums();
  flat_->zero_gradients();
  for (std::size_t part = 0; part < inputs.batches.size(); ++part) {
    const LossReport report = add_gradients(inputs.batches[part].batch(), inputs.generators[part]);
    if (inputs.is_recording) check_recordable(report);
    window_->add_batch(report, options_.accumulate);
  }
  const at::Tensor norm = flat_->clip_gradients(options_.clip_norm);
  optimizer_->step(inputs.learning_rate);
  if (ema_) ema_->update_with(inputs.average_weight);
  window_->add_norm(inputs.step, norm);
  // A sum created while recording would be overwritten by every replay.
  if (inputs.is_recording && window_->num_sums() != num_metrics) {
    throw Error({.what = "the loss reports a metric that it did not report before",
                 .where = fmt::format("agent {}", parts_.agent.name())});
  }
}

// A metric on the CPU would be added only while recording, not by the replays.
void Trainer::check_recordable(const LossReport& report) const {
  for (const auto& [name, value] : report.metrics) {
    if (value.device().type() == parts_.device.type()) continue;
    throw Error({.what = fmt::format("metric '{}' is not on the training device", name),
                 .where = fmt::format("agent {}", parts_.agent.name()),
                 .expected = parts_.device.str(),
                 .found = value.device().str()});
  }
}

// Returns false if the step has not been done and must run without a graph.
bool Trainer::train_graphed_step() {
  if (!graphed_) return false;
  // Copy the batches to their fixed addresses and run the step.
  const auto first = step_ * options_.accumulate;
  StepNumbers numbers{.learning_rate = options_.schedule.learning_rate(step_),
                      .average_weight = ema_ ? ema_->next_weight() : 0.0,
                      .step = step_ + 1};
  try {
    for (std::int64_t part = 0; part < options_.accumulate; ++part) {
      graphed_->set_batch(part, next_batch(first + part));
      numbers.seeds.push_back(seed_of(first + part));
    }
    graphed_->run(numbers);
  } catch (const CannotRecord& reason) {
    give_up_graph(reason.what());
    return false;
  }
  // Advance the counts on the host.
  if (ema_) ema_->count_update();
  ++step_;
  window_->count_step();
  return true;
}

void Trainer::give_up_graph(const std::string& reason) {
  graphed_.reset();
  if (options_.cuda_graph == CudaGraphUse::kOn) {
    throw Error({.what = "the training step cannot be recorded as a CUDA graph",
                 .where = fmt::format("train.cuda_graph: on, training step {}", step_ + 1),
                 .expected = "a loss() that reads nothing from the device and copies nothing to it",
                 .found = reason,
                 .next = "set train.cuda_graph=auto to train without one"});
  }
  logger().warn("training continues without a CUDA graph, which is slower: {}", reason);
}

// Call after work that may have replaced tensors that the agent keeps in addition to its weights.
void Trainer::drop_graph() {
  if (graphed_) graphed_->drop();
}

}  // namespace roboimi
