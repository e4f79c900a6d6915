// SIGReg: how far embeddings are from an isotropic Gaussian (LeJEPA, arXiv 2511.08544; the form of
// lucas-maes/le-wm). It is what keeps a world model's encoder from mapping all frames to one point.
//
//   SigReg sigreg({.projections = 1024, .knots = 17});
//   at::Tensor directions = sigreg.draw(192, generator, device);    // [192, 1024], unit columns
//   at::Tensor statistic = sigreg.statistic(embeddings, directions);  // [B, T, 192] -> 0-d
//
// Each direction gives numbers x_b; their empirical characteristic function is compared with that
// of the standard normal at the knots t_0 .. t_K-1 of [0, 3] (the Epps-Pulley test):
//
//   B * sum_k w_k exp(-t_k^2 / 2) ((mean_b cos(t_k x_b) - exp(-t_k^2 / 2))^2
//                                  + (mean_b sin(t_k x_b))^2)
//
// with w the trapezoid rule's weights times two, averaged over directions and time steps.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <functional>

namespace roboimi::lewm {

struct SigRegOptions {
  std::int64_t projections = 1024;  // directions drawn for each call
  std::int64_t knots = 17;          // at least 2
};

// The batch shared by several processes, each with an equal part of it.
struct SharedBatch {
  std::int64_t processes = 1;
  // The mean over the processes of a tensor of one shape, differentiable. Not called for one
  // process.
  std::function<at::Tensor(const at::Tensor& local)> average = {};
};

class SigReg {
 public:
  explicit SigReg(const SigRegOptions& options);

  // Directions: float [width, projections], each column of length 1. Processes that share a batch
  // must use the same ones: draw with equal generators, or broadcast.
  at::Tensor draw(std::int64_t width, at::Generator& generator, c10::Device device) const;

  // embeddings floating [B, T, D], directions [D, P] -> 0-d, differentiable. At least in float32,
  // autocast or not: a mean of B cosines in bf16 would be noise. With `shared`, the statistic of
  // the whole batch, the same on every process.
  at::Tensor statistic(const at::Tensor& embeddings, const at::Tensor& directions,
                       const SharedBatch& shared = {}) const;

 private:
  SigRegOptions options_;
};

}  // namespace roboimi::lewm
