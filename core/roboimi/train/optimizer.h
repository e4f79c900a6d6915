// AdamW on flat buffers, and the learning rate of a step.
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
  // `parameters` must outlive the optimiser.
  AdamW(FlatParameters& parameters, const AdamWOptions& options);

  // One update with the gradients as they are. Nothing is read back from the device.
  void step(double learning_rate);
  // The same with the rate on the device, 0-d float: a CUDA graph reads it there.
  void step(const at::Tensor& learning_rate);

  // "exp_avg.NAME", "exp_avg_sq.NAME" of every parameter, and "step" (0-d): copies.
  std::map<std::string, at::Tensor> state() const;
  // Bit-exact inverse of state(). Error naming a tensor that is missing or misshapen.
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
  std::vector<Moments> moments_;  // one a group
};

// Linear warm-up to the learning rate, then constant, or half a cosine down to 0 at `max_steps`.
struct LearningRateSchedule {
  enum class Kind { kConstant, kCosine };
  Kind kind = Kind::kCosine;
  double peak = 1e-4;
  std::int64_t warmup_steps = 500;
  std::int64_t max_steps = 50000;

  // Of step 0, 1, ... max_steps - 1. peak * (step + 1) / warmup_steps while warming up, so that the
  // first step moves; then peak * (1 + cos(pi * progress)) / 2.
  ROBOIMI_EXPORT double learning_rate(std::int64_t step) const;
};

}  // namespace roboimi
