// Reads of a Dataset that check what its plugin returns: an Error that names the dataset's class
// and the file, where rows would otherwise shift silently or the process would abort.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "roboimi/common/export.h"
#include "roboimi/contract/dataset.h"

namespace roboimi {

ROBOIMI_EXPORT at::Tensor read_state(const Dataset& dataset, std::int64_t episode);    // [L, S]
ROBOIMI_EXPORT at::Tensor read_actions(const Dataset& dataset, std::int64_t episode);  // [L, A]
// Float [L, E], or undefined.
ROBOIMI_EXPORT at::Tensor read_env_state(const Dataset& dataset, std::int64_t episode);
// uint8 [count, H, W, 3] on the CPU, of the size that the dataset's spec gives.
ROBOIMI_EXPORT at::Tensor read_frames(const Dataset& dataset, std::int64_t episode,
                                      const std::string& camera, std::int64_t first,
                                      std::int64_t count);

// "Float [12, 3]", with the device unless it is the CPU; "nothing" when undefined.
ROBOIMI_EXPORT std::string tensor_in_words(const at::Tensor& tensor);

}  // namespace roboimi
