// An equality of tensors that never throws. Internal; not installed.
#pragma once

#include <ATen/ATen.h>

namespace roboimi::testing {

// Whether both are undefined, or have the same dtype, shape and values. at::equal() throws for
// undefined tensors and for different dtypes.
inline bool same_tensor(const at::Tensor& a, const at::Tensor& b) {
  if (!a.defined() || !b.defined()) return a.defined() == b.defined();
  return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() && at::equal(a, b);
}

}  // namespace roboimi::testing
