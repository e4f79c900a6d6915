// Reads of a Dataset that check what its plugin returns: an Error that names the dataset's class
// and the file, where rows would otherwise shift silently or the process would abort.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "roboimi/common/export.h"
#include "roboimi/contract/dataset.h"

namespace roboimi {

ROBOIMI_EXPORT at::Tensor read_actions(const Dataset& dataset, std::int64_t episode);  // [L, A]
// Rows of a stream, [count, ...] as the dataset's spec gives it, on the CPU. Error when the spec
// lacks it.
ROBOIMI_EXPORT at::Tensor read_stream(const Dataset& dataset, std::int64_t episode,
                                      const std::string& stream, std::int64_t first,
                                      std::int64_t count);
// All rows.
ROBOIMI_EXPORT at::Tensor read_stream(const Dataset& dataset, std::int64_t episode,
                                      const std::string& stream);
// Float [L, S] and [L, E], or undefined where the spec has none.
ROBOIMI_EXPORT at::Tensor read_state(const Dataset& dataset, std::int64_t episode);
ROBOIMI_EXPORT at::Tensor read_env_state(const Dataset& dataset, std::int64_t episode);

// "Float [12, 3]", with the device unless it is the CPU; "nothing" when undefined.
ROBOIMI_EXPORT std::string tensor_in_words(const at::Tensor& tensor);

}  // namespace roboimi
