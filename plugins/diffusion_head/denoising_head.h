// Base class of the diffusion and flow-matching heads. Training regresses the network on a target
// at a random time; sampling evaluates it along a list of times.
//
//   loss = mean over valid elements of (network(input, times, cond) - target)^2
#pragma once

#include <optional>
#include <vector>

#include "plugins/diffusion_head/denoiser.h"
#include "plugins/diffusion_head/transformer.h"
#include "roboimi/contract/head.h"

namespace roboimi::diffusion_head {

// Random numbers of one loss evaluation.
struct Draw {
  at::Tensor noise;  // [B, H, A], N(0, 1)
  at::Tensor times;  // [B]: a timestep (int64), or a time in (0, 1)
};

// Input and target of the network for one loss evaluation.
struct Regression {
  at::Tensor input;   // [B, H, A]
  at::Tensor times;   // [B], floating point, in the network's scale
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

  // Its parameters have the prefix `model.`, as in Diffusion Policy's state_dict.
  Transformer& network() { return model_; }
  // loss() with given random numbers. A null generator disables dropout.
  LossReport objective(const at::Tensor& actions, const at::Tensor& cond, const at::Tensor& is_pad,
                       const Draw& draw, at::Generator* generator = nullptr);
  // Samples actions from given noise [B, H, A]. DDPM draws more noise from the generator.
  at::Tensor denoise(const at::Tensor& noise, const at::Tensor& cond,
                     const BatchGenerator& generator);

  virtual Draw draw(const at::Tensor& actions, at::Generator& generator) const = 0;

 protected:
  virtual Regression regression(const at::Tensor& actions, const Draw& draw) = 0;
  // Times of a chunk's evaluations in the network's scale, in order.
  virtual std::vector<double> evaluation_times() const = 0;
  // Turns noise into actions [B, H, A]. denoiser.observe() has been called with the condition.
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
