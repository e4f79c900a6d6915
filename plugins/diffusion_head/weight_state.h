// The state of some parameters at one time, for caches of values computed from them.
//
//   WeightState state(network->parameters(), WeightState::Method::kCopy);
//   ... state.is_of(network->parameters()) ...   // false after an optimizer step or a load
//
// Version counters of tensors are no help: replayed CUDA graphs and writes through other tensors of
// the same memory do not advance them.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace roboimi::diffusion_head {

class WeightState {
 public:
  enum class Method {
    // Compares addresses and a few elements of each parameter (attnres::fingerprint_of()). CPU
    // only.
    kFingerprint,
    // Compares all values with a copy, bit by bit. On a GPU this takes a few kernels and one wait.
    kCopy,
  };

  // Parameters of one dtype and on one device.
  WeightState(const std::vector<at::Tensor>& parameters, Method method);
  static Method method_for(const at::Tensor& parameter) {
    return parameter.is_cpu() ? Method::kFingerprint : Method::kCopy;
  }

  bool is_of(const std::vector<at::Tensor>& parameters) const;

 private:
  Method method_;
  std::vector<double> fingerprint_;
  at::Tensor copy_;  // the bits of all values, int32
};

}  // namespace roboimi::diffusion_head
