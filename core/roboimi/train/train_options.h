// The options of the `train` section of an experiment.
#pragma once

#include <cstdint>

#include "roboimi/common/export.h"
#include "roboimi/config/declare.h"
#include "roboimi/train/ema.h"
#include "roboimi/train/held_out.h"
#include "roboimi/train/optimizer.h"

namespace roboimi {

// Whether a training step runs as one CUDA graph: where possible, always (otherwise an Error), or
// never.
enum class CudaGraphUse { kAuto, kOn, kOff };

struct TrainOptions {
  std::int64_t max_steps = 50000;
  std::int64_t batch_size = 64;
  std::int64_t accumulate = 1;   // batches per step, whose gradients are averaged
  bool mixed_precision = false;  // bf16 autocast in the forward pass
  bool tf32 = false;             // for float32 matrix products and convolutions on CUDA
  CudaGraphUse cuda_graph = CudaGraphUse::kAuto;
  AdamWOptions optimizer;
  double clip_norm = 10.0;  // 0: no gradient clipping
  LearningRateSchedule schedule;
  bool use_ema = true;
  EmaOptions ema;
  std::int64_t log_every = 50;
  std::int64_t save_every = 2500;
  std::int64_t keep_top_k = 3;
  HeldOut held_out;                        // episodes used for validation only
  std::int64_t validate_every = 1000;      // needs held-out episodes; 0: only after the last step
  std::int64_t open_loop_episodes = 0;     // of each validation, held-out; 0: none
  std::int64_t rollout_every = 10000;      // 0: only after the last step
  std::int64_t rollout_num_episodes = 10;  // 0: no rollouts
  std::uint64_t rollout_seed = 500;
  std::int64_t rollout_num_videos = 1;
  std::int64_t threads = 0;  // per process; 0: all, or as before when a run is resumed
};

ROBOIMI_EXPORT void declare(OptionFields& fields, TrainOptions& options);

}  // namespace roboimi
