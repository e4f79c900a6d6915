// Rotary position embedding over adjacent pairs (RoFormer, arXiv 2104.09864).
//
//   RopeTable rope(head_dim);
//   q = rope.rotate(q);    // [B, T, heads, head_dim], position = index along T
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace roboimi::attnres {

inline constexpr double kRopeTheta = 1e4;

// Cosines and sines of position * theta^(-2k / head_dim), each [T, head_dim / 2].
struct RopeAngles {
  at::Tensor cosine, sine;
};

class RopeTable {
 public:
  // head_dim must be even.
  explicit RopeTable(std::int64_t head_dim, double theta = kRopeTheta);

  // Rotates the pairs (x[2k], x[2k + 1]) of x [B, T, heads, head_dim] by their position's angles.
  // Differentiable in forward and reverse mode.
  at::Tensor rotate(const at::Tensor& x) const;

  // The angles of positions 0 .. length - 1, cached between calls.
  const RopeAngles& angles(std::int64_t length, const at::TensorOptions& options) const;

 private:
  std::int64_t head_dim_;
  double theta_;
  // Has the device and dtype of the last input. Not a buffer, which would be saved in checkpoints.
  mutable RopeAngles cached_;
};

}  // namespace roboimi::attnres
