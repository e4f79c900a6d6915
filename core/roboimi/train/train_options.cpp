#include "roboimi/train/train_options.h"

#include <string>
#include <vector>

namespace roboimi {
namespace {

void declare_numerics(OptionFields& fields, TrainOptions& o) {
  fields.choice("precision", o.mixed_precision, {{false, "fp32"}, {true, "bf16"}},
                "precision of the forward pass; `bf16` is mixed precision (bfloat16 autocast) and "
                "keeps the weights in fp32");
  fields.choice("matmul", o.tf32, {{false, "fp32"}, {true, "tf32"}},
                "precision of fp32 matrix products and convolutions on CUDA; `tf32` rounds the "
                "factors to 10 fraction bits and is several times faster; no effect on the CPU");
  fields.choice(
      "cuda_graph", o.cuda_graph,
      {{CudaGraphUse::kAuto, "auto"}, {CudaGraphUse::kOn, "on"}, {CudaGraphUse::kOff, "off"}},
      "run each training step as one CUDA graph, which saves the host's launch time per kernel; "
      "`auto`: where possible (CUDA and one process); `on`: fail where it is not; `off`: never");
}

void declare_optimizer(OptionFields& fields, TrainOptions& o) {
  fields.number("learning_rate", o.schedule.peak, "AdamW's learning rate after the warm-up")
      .at_least(0.0);
  std::vector<double> betas = {o.optimizer.beta1, o.optimizer.beta2};
  fields.numbers("betas", betas, "decay rates of AdamW's first and second moments").range(0.0, 1.0);
  fields.when_read([&](const Options& options) {
    if (betas.size() != 2 || betas[0] >= 1.0 || betas[1] >= 1.0) {
      options.fail("betas", "AdamW needs two decay rates", "two floats below 1");
    }
    o.optimizer.beta1 = betas[0];
    o.optimizer.beta2 = betas[1];
  });
  fields
      .number("epsilon", o.optimizer.epsilon, "AdamW's epsilon, added to the update's denominator")
      .at_least(0.0);
  fields
      .number("weight_decay", o.optimizer.weight_decay,
              "AdamW's weight decay, for the parameters that the agent selects for it")
      .at_least(0.0);
  fields
      .number(
          "clip_norm", o.clip_norm,
          "gradients are scaled down so that their joint 2-norm is at most this; 0: no clipping")
      .at_least(0.0);
  fields
      .integer("warmup_steps", o.schedule.warmup_steps,
               "training steps of linear learning-rate warm-up")
      .at_least(0);
  fields.choice("lr_schedule", o.schedule.kind,
                {{LearningRateSchedule::Kind::kCosine, "cosine"},
                 {LearningRateSchedule::Kind::kConstant, "constant"}},
                "learning rate after the warm-up; `cosine` falls to 0 at max_steps, `constant` "
                "stays at learning_rate");
}

void declare_average(OptionFields& fields, TrainOptions& o) {
  std::optional<EmaOptions::Kind> kind;
  if (o.use_ema) kind = o.ema.kind;
  fields.choice("ema", kind,
                {{EmaOptions::Kind::kPower, "power"},
                 {EmaOptions::Kind::kConstant, "constant"},
                 {std::nullopt, "none"}},
                "moving average of the weights, which rollouts and evaluation use; `power`: decay "
                "1 - (1 + step)^-0.75, at most ema_decay; `constant`: decay ema_decay; `none`: no "
                "average");
  o.use_ema = kind.has_value();
  o.ema.kind = kind.value_or(o.ema.kind);
  fields
      .number("ema_decay", o.ema.max_decay,
              "decay of the average per step: the largest for `power`, the only for `constant`")
      .range(0.0, 1.0);
}

void declare_rhythm(OptionFields& fields, TrainOptions& o) {
  fields.integer("log_every", o.log_every, "training steps between lines of metrics").at_least(1);
  fields.integer("save_every", o.save_every, "training steps between checkpoints").at_least(1);
  fields
      .integer("keep_top_k", o.keep_top_k,
               "number of checkpoints with the best success rates (or action errors, without "
               "rollouts) to "
               "keep, besides the newest")
      .at_least(0);
  declare(fields, o.held_out);
  fields
      .integer("validate_every", o.validate_every,
               "training steps between validations on the held-out episodes; 0: only after the "
               "last step")
      .at_least(0);
  fields
      .integer(
          "open_loop_episodes", o.open_loop_episodes,
          "number of held-out episodes on which each validation compares the policy's commands "
          "with the recorded actions; without rollouts, checkpoints are ranked by this error; "
          "0: none")
      .at_least(0);
  fields
      .integer("rollout_every", o.rollout_every,
               "training steps between rollouts; 0: only after the last step")
      .at_least(0);
  fields
      .integer("rollout_num_episodes", o.rollout_num_episodes,
               "number of episodes each time; 0: no rollouts")
      .at_least(0);
  fields
      .integer("rollout_seed", o.rollout_seed,
               "environment seed of the first episode; each further episode adds 1")
      .at_least(0);
  fields
      .integer("rollout_num_videos", o.rollout_num_videos,
               "number of episodes recorded as MP4 video each time")
      .at_least(0);
}

}  // namespace

void declare(OptionFields& fields, TrainOptions& o) {
  fields.integer("max_steps", o.max_steps, "number of training steps").at_least(1);
  o.schedule.max_steps = o.max_steps;
  fields.integer("batch_size", o.batch_size, "windows per batch, in each process").range(1, 65536);
  fields
      .integer("accumulate", o.accumulate,
               "batches per training step in each process; their gradients are averaged")
      .range(1, 4096);
  declare_numerics(fields, o);
  declare_optimizer(fields, o);
  declare_average(fields, o);
  declare_rhythm(fields, o);
  fields
      .integer("threads", o.threads,
               "CPU threads per process; 0: all, or as before when a run is resumed")
      .range(0, 1024);
}

}  // namespace roboimi
