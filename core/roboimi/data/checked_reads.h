// Functions that read from a Dataset and check what its plugin returns. A wrong shape or dtype,
// which could otherwise shift rows silently or abort the process, throws an Error that names the
// dataset's class and the file.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>

#include "roboimi/common/export.h"
#include "roboimi/contract/dataset.h"

namespace roboimi {

ROBOIMI_EXPORT at::Tensor read_actions(const Dataset& dataset, std::int64_t episode);  // [L, A]
// Rows of a stream, [count, ...] with the shape and dtype in the dataset's spec, on the CPU. Throws
// Error if the spec has no such stream.
ROBOIMI_EXPORT at::Tensor read_stream(const Dataset& dataset, std::int64_t episode,
                                      const std::string& stream, std::int64_t first,
                                      std::int64_t count);
// All rows.
ROBOIMI_EXPORT at::Tensor read_stream(const Dataset& dataset, std::int64_t episode,
                                      const std::string& stream);
// Float [L, S] and [L, E], or undefined if the spec has no such stream.
ROBOIMI_EXPORT at::Tensor read_state(const Dataset& dataset, std::int64_t episode);
ROBOIMI_EXPORT at::Tensor read_env_state(const Dataset& dataset, std::int64_t episode);
// The labels, each of a numeric type [L, k] with k > 0.
ROBOIMI_EXPORT std::map<std::string, at::Tensor> read_labels(const Dataset& dataset,
                                                             std::int64_t episode);

// "Float [12, 3]", with the device unless it is the CPU; "nothing" if undefined.
ROBOIMI_EXPORT std::string describe_tensor(const at::Tensor& tensor);

}  // namespace roboimi
