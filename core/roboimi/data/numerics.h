// Settings that affect the rounding of a result, in addition to its inputs.
#pragma once

#include <c10/core/Device.h>

#include <string>

#include "roboimi/common/export.h"

namespace roboimi {

// A string with the kind of device, libtorch's version, the instructions that its CPU libraries use
// and the precision of float32 products (TF32, bf16). If two strings are equal, results agree to
// the last digits.
ROBOIMI_EXPORT std::string numerics_of(c10::Device device);

}  // namespace roboimi
