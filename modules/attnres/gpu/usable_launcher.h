// Selection of the GPU kernels' launcher, after a check that the kernels work on the device.
#pragma once

#include <c10/core/Device.h>

#include "modules/attnres/gpu/launcher.h"

namespace roboimi::attnres::gpu {

// Returns the launcher for a CUDA device, or nullptr if the kernels cannot be used. The first call
// for a device compiles the kernels and compares them with ATen's operators, forward and backward.
// If this fails, it logs one warning, and the kernels are not used on that device. While a CUDA
// graph is being captured, a device that has not been checked yet is not checked. Dropout is
// compared separately: if only its results differ, the kernels are used without it.
//
// The environment variable ROBOIMI_GPU_KERNELS=off disables the kernels on all devices.
const Launcher* usable_launcher(c10::Device device, bool with_dropout = false);

// These run the comparisons. They throw Error if a value, a tangent or a gradient differs.
void check_kernels(c10::Device device, const Launcher& launcher);
void check_dropout(c10::Device device, const Launcher& launcher);

}  // namespace roboimi::attnres::gpu
