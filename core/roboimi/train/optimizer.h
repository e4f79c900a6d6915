// AdamW on flat parameter buffers, and the learning-rate schedule.
//
//   AdamW optimizer(flat, {.weight_decay = 1e-6});
//   optimizer.step(schedule.learning_rate(step));
//
// The update is libtorch's fused AdamW (Loshchilov and Hutter, arXiv 1711.05101), one call per
// decay group; the group without decay gets weight decay 0.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/train/flat_parameters.h"

namespace roboimi {

struct AdamWOptions {
  double beta1 = 0.95;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 1e-6;
};

class ROBOIMI_EXPORT AdamW {
 public:
  // `parameters` must outlive the optimizer.
  AdamW(FlatParameters& parameters, const AdamWOptions& options);

  // One update with the current gradients. Nothing is read back from the device.
  void step(double learning_rate);
  // The same with the learning rate as a 0-d float on the device, where a CUDA graph reads it.
  void step(const at::Tensor& learning_rate);

  // Copies of "exp_avg.NAME" and "exp_avg_sq.NAME" for every parameter, and "step" (0-d).
  std::map<std::string, at::Tensor> state() const;
  // Bit-exact inverse of state(). Throws Error naming a tensor that is missing or has another
  // shape.
  void load_state(const std::map<std::string, at::Tensor>& state);

 private:
  struct Moments {
    at::Tensor exp_avg, exp_avg_sq;  // [N] of the group
    at::Tensor step;                 // 0-d float, on the device
  };
  template <typename Rate>
  void update(const Rate& learning_rate);

  FlatParameters& parameters_;
  AdamWOptions options_;
  std::vector<Moments> moments_;  // one per group
};

// Learning-rate schedule: linear warm-up to `peak`, then either constant or a half cosine that
// reaches 0 at `max_steps`.
struct LearningRateSchedule {
  enum class Kind { kConstant, kCosine };
  Kind kind = Kind::kCosine;
  double peak = 1e-4;
  std::int64_t warmup_steps = 500;
  std::int64_t max_steps = 50000;

  // The learning rate of step 0, 1, ... max_steps - 1. During warm-up peak * (step + 1) /
  // warmup_steps, so that the first step already moves; then peak * (1 + cos(pi * progress)) / 2.
  ROBOIMI_EXPORT double learning_rate(std::int64_t step) const;
};

}  // namespace roboimi
