// An action head: a conditional generative model of action chunks. Actions are normalized on this
// side of the interface; the agent owns the normalizer.
#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <map>
#include <string>

#include "roboimi/common/export.h"
#include "roboimi/common/random.h"
#include "roboimi/contract/condition.h"

namespace roboimi {

// The sizes an agent builds its head for.
struct HeadSpec {
  std::int64_t action_dim = 0;         // A
  std::int64_t pred_horizon = 0;       // H, actions in a chunk
  std::int64_t obs_horizon = 0;        // T, condition steps
  std::int64_t per_step_cond_dim = 0;  // C
  std::int64_t token_dim = 0;          // D of Condition::tokens; 0: there are none

  std::int64_t global_cond_dim() const { return per_step_cond_dim * obs_horizon; }
};

// A loss and what else is worth plotting. Everything is a 0-d tensor on the training device, so
// that nothing synchronizes before the tracker asks.
struct LossReport {
  at::Tensor loss;                            // differentiable
  std::map<std::string, at::Tensor> metrics;  // detached
};

class ROBOIMI_EXPORT Head : public torch::nn::Module {
 public:
  ~Head() override;

  virtual const HeadSpec& spec() const = 0;

  // actions float [B, H, A], normalized; is_pad bool [B, H], true = not counted.
  virtual LossReport loss(const at::Tensor& actions, const Condition& condition,
                          const at::Tensor& is_pad, at::Generator& generator) = 0;

  // Normalized actions float [B, H, A]. `noise` is the only source of random numbers. `prefix`
  // float [B, P, A], normalized, holds the first P actions of each chunk where they are committed
  // already; it is undefined unless continues_prefix() is true. Called without gradients.
  virtual at::Tensor sample(const Condition& condition, const BatchGenerator& noise,
                            const at::Tensor& prefix = {}) = 0;
  // Whether sample() takes a prefix and makes the rest of the chunk continue it.
  virtual bool continues_prefix() const { return false; }

  // Whether weight decay applies to this parameter, given its registered name. The default: true
  // for two or more dimensions.
  virtual bool decays(const std::string& name, const at::Tensor& parameter) const;

  // True where samples never leave [-1, 1]: actions must be normalized into it. The default: false.
  virtual bool clips_actions() const;

  // For implementations: Error unless the shapes agree with spec(), naming the argument.
  void check_loss_arguments(const at::Tensor& actions, const Condition& condition,
                            const at::Tensor& is_pad) const;
  void check_sample_arguments(const Condition& condition, const at::Tensor& prefix = {}) const;

 private:
  void check_condition(const Condition& condition, std::int64_t batch) const;
};

}  // namespace roboimi
