// An action head: a conditional generative model of action chunks. Actions are normalised on this
// side of the interface; the agent owns the normaliser.
#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <map>
#include <string>

#include "roboimi/common/export.h"

namespace roboimi {

// The sizes an agent builds its head for.
struct HeadSpec {
  std::int64_t action_dim = 0;         // A
  std::int64_t pred_horizon = 0;       // H, actions in a chunk
  std::int64_t obs_horizon = 0;        // T, condition steps
  std::int64_t per_step_cond_dim = 0;  // C

  std::int64_t global_cond_dim() const { return per_step_cond_dim * obs_horizon; }
};

// A loss and what else is worth plotting. Everything is a 0-d tensor on the training device, so
// that nothing synchronises before the tracker asks.
struct LossReport {
  at::Tensor loss;                            // differentiable
  std::map<std::string, at::Tensor> metrics;  // detached
};

class ROBOIMI_EXPORT Head : public torch::nn::Module {
 public:
  ~Head() override;

  virtual const HeadSpec& spec() const = 0;

  // actions float [B, H, A] normalised; cond float [B, T, C]; is_pad bool [B, H], true = not
  // counted.
  virtual LossReport loss(const at::Tensor& actions, const at::Tensor& cond,
                          const at::Tensor& is_pad, at::Generator& generator) = 0;

  // cond [B, T, C] -> normalised actions float [B, H, A]. Called without gradients.
  virtual at::Tensor sample(const at::Tensor& cond, at::Generator& generator) = 0;

  // Learning-rate independent: parameters (by registered name) that weight decay must not touch.
  // The default: everything with fewer than two dimensions.
  virtual bool decays(const std::string& name, const at::Tensor& parameter) const;

  // True where samples never leave [-1, 1]: actions must be normalised into it. The default: false.
  virtual bool clips_actions() const;

  // For implementations: Error unless the shapes agree with spec(), naming the argument.
  void check_loss_arguments(const at::Tensor& actions, const at::Tensor& cond,
                            const at::Tensor& is_pad) const;
  void check_sample_arguments(const at::Tensor& cond) const;
};

}  // namespace roboimi
