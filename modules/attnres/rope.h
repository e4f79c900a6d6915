// Rotary position embedding over adjacent pairs (RoFormer, arXiv 2104.09864).
//
//   RopeTable rope(head_dim);
//   q = rope.rotate(q);    // [B, T, heads, head_dim], position = index along T
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace roboimi::attnres {

inline constexpr double kRopeTheta = 1e4;

// cos and sin of position * theta^(-2k / head_dim), each [T, head_dim / 2].
struct RopeAngles {
  at::Tensor cosine, sine;
};

class RopeTable {
 public:
  // head_dim is even.
  explicit RopeTable(std::int64_t head_dim, double theta = kRopeTheta);

  // Turns the pairs (x[2k], x[2k + 1]) of x [B, T, heads, head_dim] by their position's angles.
  // Differentiable, forwards and backwards.
  at::Tensor rotate(const at::Tensor& x) const;

  // The angles of positions 0 .. length - 1, kept from call to call.
  const RopeAngles& angles(std::int64_t length, const at::TensorOptions& options) const;

 private:
  std::int64_t head_dim_;
  double theta_;
  // A table follows the device and dtype of what it turns; a buffer would land in checkpoints.
  mutable RopeAngles cached_;
};

}  // namespace roboimi::attnres
