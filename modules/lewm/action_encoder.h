// LEWM's action encoder, which maps the actions between two frames to one vector of the embedding's
// width.
//
//   ActionEncoder encoder(10, 192);                  // 5 actions of dimension 2
//   at::Tensor code = encoder->forward(actions);     // [B, T, 10] -> [B, T, 192]
//
//   forward(a) = W2 silu(W1 (C a + c) + b1) + b2
//
// Parameters are named as in LeWorldModel's released weights (lucas-maes/le-wm): patch_embed is a
// Conv1d with kernel size 1 and 10 output channels; embed.0 and embed.2 are Linear, with 4 * width
// hidden units.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/container/moduledict.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/pimpl.h>

#include <cstdint>

namespace roboimi::lewm {

class ActionEncoderImpl : public torch::nn::Module {
 public:
  // `input`: frame skip times action dimension. `width`: embedding dimension.
  ActionEncoderImpl(std::int64_t input, std::int64_t width);

  // Normalized actions [B, T, input] -> [B, T, width].
  at::Tensor forward(const at::Tensor& actions);

  torch::nn::Conv1d patch_embed{nullptr};
  torch::nn::ModuleDict embed{nullptr};  // "0" and "2"

 private:
  torch::nn::Linear first_{nullptr}, last_{nullptr};
};
TORCH_MODULE(ActionEncoder);

}  // namespace roboimi::lewm
