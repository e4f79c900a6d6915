// An exponential moving average of the trainable parameters.
//
//   Ema ema(flat, {.kind = EmaOptions::Kind::kPower, .max_decay = 0.9999});
//   optimizer.step(rate);
//   ema.update();
//   {
//     EmaWeights averaged(ema);   // the module now has the averaged weights
//     evaluate(agent);
//   }                             // its own weights are restored here, bit-exactly
//
// average <- decay * average + (1 - decay) * parameter. With kPower, decay(n) =
// 1 - (1 + n)^-0.75, capped at max_decay (diffusion_policy), where n is the number of earlier
// updates: the first update copies. Buffers are not averaged.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/train/flat_parameters.h"

namespace roboimi {

struct EmaOptions {
  enum class Kind { kPower, kConstant };
  Kind kind = Kind::kPower;
  double max_decay = 0.9999;  // the cap of kPower, the value of kConstant
};

class ROBOIMI_EXPORT Ema {
 public:
  // Starts from the parameters' current values. `parameters` must outlive this object.
  Ema(FlatParameters& parameters, const EmaOptions& options);

  void update();
  // update() in two parts, for CUDA graphs: update_with() moves the averages, with the weight of
  // the new parameters on the device (0-d, same dtype); count_update() advances step().
  void update_with(const at::Tensor& weight);
  void count_update() { ++step_; }
  // Weight of the parameters in the next update: 1 - decay.
  double next_weight() const { return 1.0 - decay(step_); }
  double decay(std::int64_t step) const;
  std::int64_t step() const { return step_; }  // updates so far; part of a checkpoint

  // Copies of the averages, by parameter name.
  std::map<std::string, at::Tensor> state() const;
  void load_state(const std::map<std::string, at::Tensor>& state, std::int64_t step);

 private:
  friend class EmaWeights;
  template <typename Weight>
  void move(const Weight& weight);

  FlatParameters& parameters_;
  EmaOptions options_;
  std::vector<at::Tensor> averages_;  // one [N] per group
  std::int64_t step_ = 0;
};

// A guard: the module has the averaged weights while it is alive.
class ROBOIMI_EXPORT EmaWeights {
 public:
  explicit EmaWeights(Ema& ema);
  ~EmaWeights();
  EmaWeights(const EmaWeights&) = delete;
  EmaWeights& operator=(const EmaWeights&) = delete;

 private:
  Ema& ema_;
  std::vector<at::Tensor> saved_;
};

}  // namespace roboimi
