// An action head: a conditional generative model of action chunks. All actions that it takes and
// returns are normalized; the agent owns the normalizer.
#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <map>
#include <string>

#include "roboimi/common/export.h"
#include "roboimi/common/random.h"
#include "roboimi/contract/condition.h"

namespace roboimi {

// The sizes for which an agent builds its head.
struct HeadSpec {
  std::int64_t action_dim = 0;         // A
  std::int64_t pred_horizon = 0;       // H, actions in a chunk
  std::int64_t obs_horizon = 0;        // T, observation steps in the condition
  std::int64_t per_step_cond_dim = 0;  // C, size of the condition per step
  std::int64_t token_dim = 0;          // D of Condition::tokens; 0: no tokens

  std::int64_t global_cond_dim() const { return per_step_cond_dim * obs_horizon; }
};

// A loss and other metrics worth plotting. All are 0-d tensors on the training device, so that the
// device is only synchronized when the tracker reads them.
struct LossReport {
  at::Tensor loss;                            // differentiable
  std::map<std::string, at::Tensor> metrics;  // detached
};

class ROBOIMI_EXPORT Head : public torch::nn::Module {
 public:
  ~Head() override;

  virtual const HeadSpec& spec() const = 0;

  // The training loss of actions float [B, H, A], normalized. is_pad bool [B, H]: true marks
  // padding, which does not contribute.
  virtual LossReport loss(const at::Tensor& actions, const Condition& condition,
                          const at::Tensor& is_pad, at::Generator& generator) = 0;

  // Samples normalized actions float [B, H, A]. `noise` is the only source of random numbers.
  // `prefix` float [B, P, A], normalized, holds the first P actions of each chunk if the robot is
  // already committed to them; it is undefined unless continues_prefix() is true. Called without
  // gradients.
  virtual at::Tensor sample(const Condition& condition, const BatchGenerator& noise,
                            const at::Tensor& prefix = {}) = 0;
  // Whether sample() accepts a prefix and samples the rest of the chunk to continue it.
  virtual bool continues_prefix() const { return false; }

  // Whether weight decay applies to this parameter, given its registered name. The default: true
  // for two or more dimensions.
  virtual bool decays(const std::string& name, const at::Tensor& parameter) const;

  // True if samples never leave [-1, 1]: actions must then be normalized to that range. The
  // default: false.
  virtual bool clips_actions() const;

  // For implementations: throws Error, naming the argument, if a shape does not match spec().
  void check_loss_arguments(const at::Tensor& actions, const Condition& condition,
                            const at::Tensor& is_pad) const;
  void check_sample_arguments(const Condition& condition, const at::Tensor& prefix = {}) const;

 private:
  void check_condition(const Condition& condition, std::int64_t batch) const;
};

}  // namespace roboimi
