#include "roboimi/train/train_options.h"

#include <string>
#include <vector>

namespace roboimi {
namespace {

void declare_numerics(OptionFields& fields, TrainOptions& o) {
  fields.choice("precision", o.mixed_precision, {{false, "fp32"}, {true, "bf16"}},
                "of the forward pass: `bf16` is mixed precision, the weights stay fp32");
  fields.choice("matmul", o.tf32, {{false, "fp32"}, {true, "tf32"}},
                "of fp32 matrix products and convolutions on CUDA: `tf32` keeps 10 bits of the "
                "factors' fractions and is several times faster; no effect on a CPU");
  fields.choice(
      "cuda_graph", o.cuda_graph,
      {{CudaGraphUse::kAuto, "auto"}, {CudaGraphUse::kOn, "on"}, {CudaGraphUse::kOff, "off"}},
      "a training step as one CUDA graph, without the host's time for each kernel: "
      "`auto` where it can be (one process on CUDA), `on` or an error");
}

void declare_optimizer(OptionFields& fields, TrainOptions& o) {
  fields.number("learning_rate", o.schedule.peak, "peak learning rate of AdamW").at_least(0.0);
  std::vector<double> betas = {o.optimizer.beta1, o.optimizer.beta2};
  fields.numbers("betas", betas, "decay of AdamW's two moments").range(0.0, 1.0);
  fields.when_read([&](const Options& options) {
    if (betas.size() != 2 || betas[0] >= 1.0 || betas[1] >= 1.0) {
      options.fail("betas", "not the two decays of AdamW", "two numbers under 1");
    }
    o.optimizer.beta1 = betas[0];
    o.optimizer.beta2 = betas[1];
  });
  fields.number("epsilon", o.optimizer.epsilon, "AdamW's epsilon").at_least(0.0);
  fields
      .number("weight_decay", o.optimizer.weight_decay,
              "weight decay of the parameters that have one")
      .at_least(0.0);
  fields
      .number("clip_norm", o.clip_norm, "largest 2-norm of all gradients together; 0 does not clip")
      .at_least(0.0);
  fields.integer("warmup_steps", o.schedule.warmup_steps, "steps of linear warm-up").at_least(0);
  fields.choice("lr_schedule", o.schedule.kind,
                {{LearningRateSchedule::Kind::kCosine, "cosine"},
                 {LearningRateSchedule::Kind::kConstant, "constant"}},
                "learning rate after the warm-up");
}

void declare_average(OptionFields& fields, TrainOptions& o) {
  std::optional<EmaOptions::Kind> kind;
  if (o.use_ema) kind = o.ema.kind;
  fields.choice("ema", kind,
                {{EmaOptions::Kind::kPower, "power"},
                 {EmaOptions::Kind::kConstant, "constant"},
                 {std::nullopt, "none"}},
                "averaged weights: decay 1 - (1 + step)^-0.75 up to ema_decay, or constant");
  o.use_ema = kind.has_value();
  o.ema.kind = kind.value_or(o.ema.kind);
  fields.number("ema_decay", o.ema.max_decay, "largest decay of the average, or the constant one")
      .range(0.0, 1.0);
}

void declare_rhythm(OptionFields& fields, TrainOptions& o) {
  fields.integer("log_every", o.log_every, "steps between lines of metrics").at_least(1);
  fields.integer("save_every", o.save_every, "steps between checkpoints").at_least(1);
  fields
      .integer("keep_top_k", o.keep_top_k,
               "checkpoints kept for their success rate, beside the newest")
      .at_least(0);
  fields
      .integer("held_out_episodes", o.held_out_episodes,
               "episodes at the data's end kept out of training, for validation")
      .at_least(0);
  fields
      .integer("validate_every", o.validate_every,
               "steps between validations; 0 validates at the end alone")
      .at_least(0);
  fields
      .integer("rollout_every", o.rollout_every,
               "steps between rollouts; 0 rolls out at the end alone")
      .at_least(0);
  fields
      .integer("rollout_num_episodes", o.rollout_num_episodes,
               "episodes of a rollout; 0 never rolls out")
      .at_least(0);
  fields.integer("rollout_seed", o.rollout_seed, "seed of a rollout's first episode").at_least(0);
  fields
      .integer("rollout_num_videos", o.rollout_num_videos, "episodes of a rollout recorded as MP4")
      .at_least(0);
}

}  // namespace

void declare(OptionFields& fields, TrainOptions& o) {
  fields.integer("max_steps", o.max_steps, "training steps").at_least(1);
  o.schedule.max_steps = o.max_steps;
  fields.integer("batch_size", o.batch_size, "windows in a batch of each process").range(1, 65536);
  fields.integer("accumulate", o.accumulate, "batches whose gradients are averaged into one step")
      .range(1, 4096);
  declare_numerics(fields, o);
  declare_optimizer(fields, o);
  declare_average(fields, o);
  declare_rhythm(fields, o);
  fields.integer("threads", o.threads, "CPU threads; 0 takes all").at_least(0);
}

}  // namespace roboimi
