// Golden tensors from tests/golden/diffusion_head.py, and heads with the golden parameters.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "plugins/diffusion_head/diffusion_head.h"
#include "plugins/diffusion_head/flow_matching_head.h"
#include "roboimi/io/safetensors.h"

namespace roboimi::diffusion_head {

inline const HeadSpec kGoldenSpec{
    .action_dim = 3, .pred_horizon = 4, .obs_horizon = 2, .per_step_cond_dim = 5};

inline const TensorFile& golden_file() {
  static const TensorFile file =
      read_safetensors(ROBOIMI_SOURCE_DIR "/tests/golden/diffusion_head.safetensors");
  return file;
}

inline at::Tensor golden(const std::string& name) { return golden_file().tensors.at(name).clone(); }

// The golden sizes, without dropout.
inline TransformerOptions golden_network(MemoryMask mask = MemoryMask::kCausal) {
  return {.n_emb = 16, .n_layer = 2, .n_head = 4, .p_drop_attn = 0.0, .memory_mask = mask};
}

inline void set_golden_parameters(torch::nn::Module& network) {
  at::NoGradGuard no_grad;
  for (auto& parameter : network.named_parameters()) {
    parameter.value().copy_(golden("param." + parameter.key()));
  }
}

template <typename HeadType, typename OptionsType>
std::shared_ptr<HeadType> golden_head(OptionsType options, at::ScalarType dtype = at::kDouble) {
  options.network = golden_network(options.network.memory_mask);
  auto head = std::make_shared<HeadType>(options, kGoldenSpec);
  head->to(dtype);
  set_golden_parameters(*head->network());
  return head;
}

inline std::shared_ptr<DiffusionHead> golden_diffusion(const DiffusionOptions& options = {},
                                                       at::ScalarType dtype = at::kDouble) {
  return golden_head<DiffusionHead>(options, dtype);
}

inline std::shared_ptr<FlowMatchingHead> golden_flow(const FlowMatchingOptions& options = {},
                                                     at::ScalarType dtype = at::kDouble) {
  return golden_head<FlowMatchingHead>(options, dtype);
}

// The largest absolute difference.
inline double distance(const at::Tensor& a, const at::Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

}  // namespace roboimi::diffusion_head
