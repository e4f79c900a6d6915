// Mixed precision while alive: matrix products and convolutions on the device run in bfloat16, what
// needs the range or the digits stays in float32 (libtorch's autocast). Parameters, gradients and
// the optimiser are float32 all the same.
//
//   LossReport report = [&] {
//     const Autocast mixed(device, precision == Precision::kBFloat16);
//     return agent.loss(batch, generator);
//   }();
//   report.loss.backward();   // outside: backward follows the types of the forward pass
//
// A computation that must not be cast inside it switches it off for itself: Autocast(device,
// false).
#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include "roboimi/common/export.h"

namespace roboimi {

class ROBOIMI_EXPORT Autocast {
 public:
  Autocast(c10::Device device, bool enabled);
  ~Autocast();
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  c10::DeviceType device_;
  bool was_enabled_;
  at::ScalarType old_dtype_;
};

// Whether float32 matrix products and convolutions on CUDA may round their factors to TF32 (10 bits
// of fraction), in this process from now on. Without effect for another device.
ROBOIMI_EXPORT void set_tf32(c10::Device device, bool enabled);

// One warning in the log where the CPU has no kernels for bfloat16, which then costs time.
ROBOIMI_EXPORT void warn_where_autocast_is_slow(c10::Device device);

}  // namespace roboimi
