#include "roboimi/train/train_options.h"

namespace roboimi {

Schema train_schema() {
  Schema s;
  s.integer("max_steps", 50000, "training steps").at_least(1);
  s.integer("batch_size", 64, "windows in a batch of each process").range(1, 65536);
  s.integer("accumulate", 1, "batches whose gradients are averaged into one step").range(1, 4096);
  s.text("precision", "fp32",
         "of the forward pass: `bf16` is mixed precision, the weights stay fp32")
      .one_of({"fp32", "bf16"});
  s.text("matmul", "fp32",
         "of fp32 matrix products and convolutions on CUDA: `tf32` keeps 10 bits of the factors' "
         "fractions and is several times faster; no effect on a CPU")
      .one_of({"fp32", "tf32"});
  s.text("cuda_graph", "auto",
         "a training step as one CUDA graph, without the host's time for each kernel: `auto` where "
         "it can be (one process on CUDA), `on` or an error")
      .one_of({"auto", "on", "off"});
  s.number("learning_rate", 1e-4, "peak learning rate of AdamW").at_least(0.0);
  s.numbers("betas", {0.95, 0.999}, "decay of AdamW's two moments").range(0.0, 1.0);
  s.number("epsilon", 1e-8, "AdamW's epsilon").at_least(0.0);
  s.number("weight_decay", 1e-6, "weight decay of the parameters that have one").at_least(0.0);
  s.number("clip_norm", 10.0, "largest 2-norm of all gradients together; 0 does not clip")
      .at_least(0.0);
  s.integer("warmup_steps", 500, "steps of linear warm-up").at_least(0);
  s.text("lr_schedule", "cosine", "learning rate after the warm-up").one_of({"cosine", "constant"});
  s.text("ema", "power",
         "averaged weights: decay 1 - (1 + step)^-0.75 up to ema_decay, or constant")
      .one_of({"power", "constant", "none"});
  s.number("ema_decay", 0.9999, "largest decay of the average, or the constant one")
      .range(0.0, 1.0);
  s.integer("log_every", 50, "steps between lines of metrics").at_least(1);
  s.integer("save_every", 2500, "steps between checkpoints").at_least(1);
  s.integer("keep_top_k", 3, "checkpoints kept for their success rate, beside the newest")
      .at_least(0);
  s.integer("held_out_episodes", 0,
            "episodes at the data's end kept out of training, for validation")
      .at_least(0);
  s.integer("validate_every", 1000, "steps between validations; 0 validates at the end alone")
      .at_least(0);
  s.integer("rollout_every", 10000, "steps between rollouts; 0 rolls out at the end alone")
      .at_least(0);
  s.integer("rollout_num_episodes", 10, "episodes of a rollout; 0 never rolls out").at_least(0);
  s.integer("rollout_seed", 500, "seed of a rollout's first episode").at_least(0);
  s.integer("rollout_num_videos", 1, "episodes of a rollout recorded as MP4").at_least(0);
  s.integer("threads", 0, "CPU threads; 0 takes all").at_least(0);
  return s;
}

TrainOptions train_options_from(const Options& options) {
  const std::vector<double>& betas = options.numbers("betas");
  if (betas.size() != 2 || betas[0] >= 1.0 || betas[1] >= 1.0) {
    options.fail("betas", "not the two decays of AdamW", "two numbers under 1");
  }
  TrainOptions train;
  train.max_steps = options.integer("max_steps");
  train.batch_size = options.integer("batch_size");
  train.accumulate = options.integer("accumulate");
  train.mixed_precision = options.text("precision") == "bf16";
  train.tf32 = options.text("matmul") == "tf32";
  const std::string& graph = options.text("cuda_graph");
  train.cuda_graph = graph == "on"    ? CudaGraphUse::kOn
                     : graph == "off" ? CudaGraphUse::kOff
                                      : CudaGraphUse::kAuto;
  train.optimizer = {.beta1 = betas[0],
                     .beta2 = betas[1],
                     .epsilon = options.number("epsilon"),
                     .weight_decay = options.number("weight_decay")};
  train.clip_norm = options.number("clip_norm");
  train.schedule = {.kind = options.text("lr_schedule") == "cosine"
                                ? LearningRateSchedule::Kind::kCosine
                                : LearningRateSchedule::Kind::kConstant,
                    .peak = options.number("learning_rate"),
                    .warmup_steps = options.integer("warmup_steps"),
                    .max_steps = train.max_steps};
  train.use_ema = options.text("ema") != "none";
  train.ema = {.kind = options.text("ema") == "constant" ? EmaOptions::Kind::kConstant
                                                         : EmaOptions::Kind::kPower,
               .max_decay = options.number("ema_decay")};
  train.log_every = options.integer("log_every");
  train.save_every = options.integer("save_every");
  train.keep_top_k = options.integer("keep_top_k");
  train.held_out_episodes = options.integer("held_out_episodes");
  train.validate_every = options.integer("validate_every");
  train.rollout_every = options.integer("rollout_every");
  train.rollout_num_episodes = options.integer("rollout_num_episodes");
  train.rollout_seed = static_cast<std::uint64_t>(options.integer("rollout_seed"));
  train.rollout_num_videos = options.integer("rollout_num_videos");
  train.threads = options.integer("threads");
  return train;
}

}  // namespace roboimi
