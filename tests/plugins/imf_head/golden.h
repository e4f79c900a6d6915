// Golden tensors from tests/golden/imf_head.py, and a head with the golden parameters.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "plugins/imf_head/imf_head.h"
#include "roboimi/io/safetensors.h"

namespace roboimi::imf_head {

inline const HeadSpec kGoldenSpec{
    .action_dim = 3, .pred_horizon = 4, .obs_horizon = 2, .per_step_cond_dim = 5};

inline const TensorFile& golden_file() {
  static const TensorFile file =
      read_safetensors(ROBOIMI_SOURCE_DIR "/tests/golden/imf_head.safetensors");
  return file;
}

inline at::Tensor golden(const std::string& name) { return golden_file().tensors.at(name).clone(); }

// `options` with the golden sizes.
inline ImfOptions golden_options(ImfOptions options = {}) {
  options.n_emb = 16;
  options.n_layer = 2;
  options.n_head = 4;
  options.n_kv_head = 2;
  return options;
}

// A head in `dtype` with the golden parameters.
inline std::shared_ptr<ImfHead> golden_head(const ImfOptions& options = {},
                                            at::ScalarType dtype = at::kDouble) {
  auto head = std::make_shared<ImfHead>(golden_options(options), kGoldenSpec);
  head->to(dtype);
  at::NoGradGuard no_grad;
  for (auto& parameter : head->named_parameters()) {
    parameter.value().copy_(golden("param." + parameter.key()));
  }
  return head;
}

inline Draw golden_draw(at::ScalarType dtype = at::kDouble) {
  return {.noise = golden("data.noise").to(dtype),
          .r = golden("data.r").to(dtype),
          .t = golden("data.t").to(dtype),
          .num_equal = 2};
}

// The largest absolute difference.
inline double distance(const at::Tensor& a, const at::Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

}  // namespace roboimi::imf_head
