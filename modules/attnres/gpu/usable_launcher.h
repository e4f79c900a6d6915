// Which device's kernels may be used.
#pragma once

#include <c10/core/Device.h>

#include "modules/attnres/gpu/launcher.h"

namespace roboimi::attnres::gpu {

// The launcher of a CUDA device, or nullptr where its kernels cannot be used. The first call for a
// device compiles the kernels and compares them with ATen's operators there, forward and backward;
// what does not work or differs is said in one warning, and the device then goes without. While a
// CUDA graph is being captured, a device that has not been tried is not tried either.
//
// ROBOIMI_GPU_KERNELS=off in the environment goes without on every device.
const Launcher* usable_launcher(c10::Device device);

// That comparison. Error where a value, a tangent or a gradient differs.
void check_kernels(c10::Device device, const Launcher& launcher);

}  // namespace roboimi::attnres::gpu
