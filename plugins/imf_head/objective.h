// The random draws and the losses of improved MeanFlow (iMF, arXiv 2512.02012).
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace roboimi::imf_head {

enum class LossKind {
  kPseudoHuber,  // sqrt(1 + d^2) - 1, elementwise, mean over valid elements (ReactVLA)
  kMse,          // d^2, mean over valid elements
  kAdaptiveL2,   // S / sg(S + 0.01), S a sample's sum of squares, mean over samples (iMF)
};

// Random numbers of one loss evaluation.
struct Draw {
  at::Tensor noise;            // [B, H, A], N(0, 1)
  at::Tensor r, t;             // [B], 0 <= r <= t <= 1; t = 1 is noise
  std::int64_t num_equal = 0;  // r == t on samples 0 .. num_equal - 1
};

// Draws noise and times. Times are two logit-normal(-0.4, 1) draws per sample, the larger t and the
// smaller r. On the first half of the batch both are the first draw. In the other half, the share
// `one_step_share` gets r = 0, t = 1: the interval of one-step sampling, which the draws hardly
// ever come near. `like` [B, H, A] gives size, dtype and device.
Draw draw(const at::Tensor& like, double one_step_share, at::Generator& generator);

// The scalar loss. difference [B, H, A] between prediction and target; valid [B, H, 1] is 0 on
// padding, else 1. A batch that is all padding has loss 0.
at::Tensor reduce_loss(LossKind kind, const at::Tensor& difference, const at::Tensor& valid);

}  // namespace roboimi::imf_head
