// What diffusion and flow matching share: the network regressed on a target at a random time, and
// sampling by evaluating it along a list of times.
//
//   loss = mean over valid elements of (network(input, times, cond) - target)^2
#pragma once

#include <optional>
#include <vector>

#include "plugins/diffusion_head/denoiser.h"
#include "plugins/diffusion_head/transformer.h"
#include "roboimi/contract/head.h"

namespace roboimi::diffusion_head {

// What one loss draws at random.
struct Draw {
  at::Tensor noise;  // [B, H, A], N(0, 1)
  at::Tensor times;  // [B]: a step's number (int64), or a time in (0, 1)
};

// What the network is shown, and what it should say.
struct Regression {
  at::Tensor input;   // [B, H, A]
  at::Tensor times;   // [B], floating, as the network takes them
  at::Tensor target;  // [B, H, A]
};

class DenoisingHead : public Head {
 public:
  DenoisingHead(const TransformerOptions& options, const HeadSpec& spec);
  ~DenoisingHead() override;

  const HeadSpec& spec() const override { return spec_; }
  LossReport loss(const at::Tensor& actions, const Condition& condition, const at::Tensor& is_pad,
                  at::Generator& generator) override;
  at::Tensor sample(const Condition& condition, const BatchGenerator& noise,
                    const at::Tensor& prefix = {}) override;
  // Matrices decay; biases, norms and positions do not.
  bool decays(const std::string& name, const at::Tensor& parameter) const override;

  // `model.` before its parameters, as in Diffusion Policy's state_dict.
  Transformer& network() { return model_; }
  // loss() with its random numbers given. A null generator: no dropout.
  LossReport objective(const at::Tensor& actions, const at::Tensor& cond, const at::Tensor& is_pad,
                       const Draw& draw, at::Generator* generator = nullptr);
  // Sampling from given noise [B, H, A]; DDPM draws more from the generator.
  at::Tensor denoise(const at::Tensor& noise, const at::Tensor& cond,
                     const BatchGenerator& generator);

  virtual Draw draw(const at::Tensor& actions, at::Generator& generator) const = 0;

 protected:
  virtual Regression regression(const at::Tensor& actions, const Draw& draw) = 0;
  // The network's times of a chunk's evaluations, in their order.
  virtual std::vector<double> evaluation_times() const = 0;
  // From noise to actions [B, H, A]; `denoiser` has observed the condition.
  virtual at::Tensor integrate(const at::Tensor& noise, Denoiser& denoiser,
                               const BatchGenerator& generator) = 0;

 private:
  Denoiser& fresh_denoiser();

  TransformerOptions options_;
  HeadSpec spec_;
  Transformer model_{nullptr};
  std::optional<Denoiser> denoiser_;
};

}  // namespace roboimi::diffusion_head
