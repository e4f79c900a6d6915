// A scope of mixed precision (libtorch's autocast). While an Autocast exists, matrix products and
// convolutions on the device run in bfloat16; operations that need more range or precision stay in
// float32. Parameters, gradients and the optimizer state are always float32.
//
//   LossReport report = [&] {
//     const Autocast mixed(device, precision == Precision::kBFloat16);
//     return agent.loss(batch, generator);
//   }();
//   report.loss.backward();   // outside the scope: backward uses the dtypes of the forward pass
//
// A computation inside the scope that must not be cast turns it off with Autocast(device, false).
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

// Sets whether float32 matrix products and convolutions on CUDA may round their inputs to TF32 (10
// bits of mantissa), for this process from now on. No effect for other devices.
ROBOIMI_EXPORT void set_tf32(c10::Device device, bool enabled);

// Logs a warning if `device` is a CPU without bfloat16 kernels, where mixed precision is slow.
ROBOIMI_EXPORT void warn_where_autocast_is_slow(c10::Device device);

}  // namespace roboimi
