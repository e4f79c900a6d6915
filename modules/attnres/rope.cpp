#include "modules/attnres/rope.h"

#include <ATen/ATen.h>

#include <cmath>

#include "roboimi/common/error.h"

namespace roboimi::attnres {

RopeTable::RopeTable(std::int64_t head_dim, double theta) : head_dim_(head_dim), theta_(theta) {
  ROBOIMI_CHECK(head_dim % 2 == 0, c10::str("head_dim ", head_dim, " is odd"));
}

const RopeAngles& RopeTable::angles(std::int64_t length, const at::TensorOptions& options) const {
  const at::Tensor& cached = cached_.cosine;
  if (cached.defined() && cached.size(0) == length &&
      cached.scalar_type() == c10::typeMetaToScalarType(options.dtype()) &&
      cached.device() == options.device()) {
    return cached_;
  }
  // Compute in double, because the error of float angles would grow with the position.
  const at::Tensor exponent = at::arange(0, head_dim_, 2, at::kDouble) / -double(head_dim_);
  const at::Tensor frequency = at::pow(theta_, exponent);
  const at::Tensor angle = at::outer(at::arange(length, at::kDouble), frequency);
  cached_ = {angle.cos().to(options), angle.sin().to(options)};
  return cached_;
}

at::Tensor RopeTable::rotate(const at::Tensor& x) const {
  const RopeAngles& table = angles(x.size(1), x.options());
  const at::Tensor cosine = table.cosine.unsqueeze(1), sine = table.sine.unsqueeze(1);
  const at::Tensor pairs = x.unflatten(-1, {-1, 2});
  const at::Tensor even = pairs.select(-1, 0), odd = pairs.select(-1, 1);
  return at::stack({even * cosine - odd * sine, even * sine + odd * cosine}, -1).flatten(-2);
}

}  // namespace roboimi::attnres
