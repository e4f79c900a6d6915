// SIGReg, a statistic that measures how far embeddings are from an isotropic Gaussian (LeJEPA,
// arXiv 2511.08544, in the form of lucas-maes/le-wm). As a loss it prevents a world model's encoder
// from mapping all frames to one point.
//
//   SigReg sigreg({.projections = 1024, .knots = 17});
//   at::Tensor directions = sigreg.draw(192, generator, device);    // [192, 1024], unit columns
//   at::Tensor statistic = sigreg.statistic(embeddings, directions);  // [B, T, 192] -> 0-d
//
// The embeddings are projected onto each direction, giving scalars x_b. Their empirical
// characteristic function is compared with that of the standard normal distribution at the knots
// t_0 .. t_K-1 in [0, 3] (the Epps-Pulley test):
//
//   B * sum_k w_k exp(-t_k^2 / 2) ((mean_b cos(t_k x_b) - exp(-t_k^2 / 2))^2
//                                  + (mean_b sin(t_k x_b))^2)
//
// where w are the trapezoid rule's weights times two. The result is averaged over directions and
// time steps.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <functional>

namespace roboimi::lewm {

struct SigRegOptions {
  std::int64_t projections = 1024;  // random directions per call
  std::int64_t knots = 17;          // at least 2
};

// Describes a batch that several processes share, each with an equal part.
struct SharedBatch {
  std::int64_t processes = 1;
  // The differentiable mean over the processes of a tensor with the same shape in each. Not called
  // if there is only one process.
  std::function<at::Tensor(const at::Tensor& local)> average = {};
};

class SigReg {
 public:
  explicit SigReg(const SigRegOptions& options);

  // Draws directions: float [width, projections], each column of length 1. Processes that share a
  // batch must use the same directions: draw with equal generators, or broadcast them.
  at::Tensor draw(std::int64_t width, at::Generator& generator, c10::Device device) const;

  // embeddings (floating) [B, T, D], directions [D, P] -> 0-d, differentiable. Always computed in
  // at least float32, even under autocast, because a mean of B cosines in bf16 would be mostly
  // noise. With `shared`, returns the statistic of the whole batch, which is the same in every
  // process.
  at::Tensor statistic(const at::Tensor& embeddings, const at::Tensor& directions,
                       const SharedBatch& shared = {}) const;

 private:
  SigRegOptions options_;
};

}  // namespace roboimi::lewm
