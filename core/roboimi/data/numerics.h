// What the last digits of a computation depend on beside its inputs.
#pragma once

#include <c10/core/Device.h>

#include <string>

#include "roboimi/common/export.h"

namespace roboimi {

// The kind of device, libtorch's version, the instructions that its CPU libraries use, and the
// precision of float32 products (TF32, bf16): equal where results are comparable to the last
// digits.
ROBOIMI_EXPORT std::string numerics_of(c10::Device device);

}  // namespace roboimi
