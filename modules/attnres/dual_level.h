// A guard for libtorch's forward-mode differentiation.
#pragma once

#include <ATen/Functions.h>
#include <torch/csrc/autograd/forward_grad.h>

#include <cstdint>

#include "modules/attnres/dual.h"

namespace roboimi::attnres {

// Enables forward-mode differentiation while alive. Destroy it before calling backward(), because
// several backward formulas throw inside a level.
class DualLevel {
 public:
  DualLevel() : index_(torch::autograd::ForwardADLevel::get_next_idx()) {}
  ~DualLevel() { torch::autograd::ForwardADLevel::release_idx(index_); }
  DualLevel(const DualLevel&) = delete;
  DualLevel& operator=(const DualLevel&) = delete;

  at::Tensor make(const Dual& x) const {
    return at::_make_dual(x.value, x.tangent, static_cast<std::int64_t>(index_));
  }
  Dual unpack(const at::Tensor& y) const {
    const auto [value, tangent] = at::_unpack_dual(y, static_cast<std::int64_t>(index_));
    return {value, tangent};
  }

 private:
  std::uint64_t index_;
};

}  // namespace roboimi::attnres
