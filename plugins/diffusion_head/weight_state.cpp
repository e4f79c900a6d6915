#include "plugins/diffusion_head/weight_state.h"

#include <ATen/ATen.h>

#include "modules/attnres/packed_weights.h"

namespace roboimi::diffusion_head {
namespace {

// As integers, so that NaN equals itself and 0 differs from -0.
at::Tensor bits_of(const std::vector<at::Tensor>& parameters) {
  std::vector<at::Tensor> values;
  values.reserve(parameters.size());
  for (const at::Tensor& parameter : parameters) values.push_back(parameter.detach().flatten());
  return at::cat(values).view(at::kInt);
}

}  // namespace

WeightState::WeightState(const std::vector<at::Tensor>& parameters, Method method)
    : method_(method) {
  if (method_ == Method::kFingerprint) {
    fingerprint_ = attnres::fingerprint_of(parameters);
  } else {
    copy_ = bits_of(parameters);
  }
}

bool WeightState::is_of(const std::vector<at::Tensor>& parameters) const {
  if (method_ == Method::kFingerprint) {
    const bool is_readable = parameters.front().is_cpu();  // false after a move to a GPU
    return is_readable && attnres::fingerprint_of(parameters) == fingerprint_;
  }
  const at::Tensor bits = bits_of(parameters);
  return bits.device() == copy_.device() && at::equal(bits, copy_);
}

}  // namespace roboimi::diffusion_head
