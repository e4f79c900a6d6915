// An exponential moving average of the trainable parameters.
//
//   Ema ema(flat, {.kind = EmaOptions::Kind::kPower, .max_decay = 0.9999});
//   optimizer.step(rate);
//   ema.update();
//   {
//     EmaWeights averaged(ema);   // the module now has the averaged weights
//     evaluate(agent);
//   }                             // and here its own again, to the bit
//
// average <- decay * average + (1 - decay) * parameter, with decay(n) = 1 - (1 + n)^-0.75 capped
// (diffusion_policy), n the number of updates before this one: the first update copies. Buffers are
// not averaged.
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
  // Starts at the parameters' present values. `parameters` must outlive it.
  Ema(FlatParameters& parameters, const EmaOptions& options);

  void update();
  // The same in two halves, as a CUDA graph needs them: the averages, with the parameters' weight
  // on the device (0-d, of their type), and the count.
  void update_with(const at::Tensor& weight);
  void count_update() { ++step_; }
  // Of the parameters in the next update: 1 - decay.
  double next_weight() const { return 1.0 - decay(step_); }
  double decay(std::int64_t step) const;
  std::int64_t step() const { return step_; }  // updates so far; part of a checkpoint

  // The averages by parameter name: copies.
  std::map<std::string, at::Tensor> state() const;
  void load_state(const std::map<std::string, at::Tensor>& state, std::int64_t step);

 private:
  friend class EmaWeights;
  template <typename Weight>
  void move(const Weight& weight);

  FlatParameters& parameters_;
  EmaOptions options_;
  std::vector<at::Tensor> averages_;  // [N] a group
  std::int64_t step_ = 0;
};

// While alive, the module has the averaged weights.
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
