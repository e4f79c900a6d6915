#include "modules/lewm/action_encoder.h"

#include <ATen/ATen.h>
#include <torch/nn/modules/container/moduledict.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include "roboimi/common/error.h"

namespace roboimi::lewm {
namespace {

constexpr std::int64_t kChannels = 10;
constexpr std::int64_t kExpansion = 4;

}  // namespace

ActionEncoderImpl::ActionEncoderImpl(std::int64_t input, std::int64_t width) {
  patch_embed = register_module("patch_embed",
                                torch::nn::Conv1d(torch::nn::Conv1dOptions(input, kChannels, 1)));
  embed = register_module("embed", torch::nn::ModuleDict());
  first_ = torch::nn::Linear(kChannels, kExpansion * width);
  last_ = torch::nn::Linear(kExpansion * width, width);
  embed->update({{"0", first_.ptr()}, {"2", last_.ptr()}});
}

at::Tensor ActionEncoderImpl::forward(const at::Tensor& actions) {
  ROBOIMI_CHECK(actions.dim() == 3 && actions.size(2) == patch_embed->weight.size(1),
                c10::str(actions.sizes()));
  // A convolution with kernel size 1 is a matrix product.
  const at::Tensor mixed = at::linear(actions, patch_embed->weight.squeeze(2), patch_embed->bias);
  return last_->forward(at::silu(first_->forward(mixed)));
}

}  // namespace roboimi::lewm
