// What keeps a set of tensors from being copied into a model, for one Error that lists it all.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "roboimi/common/error.h"

namespace roboimi {

struct WeightDifferences {
  std::vector<std::string> missing, unexpected, misshapen;

  // Error with `parts` and "1 missing (first.bias); 2 unexpected (a, b)" as what was found, if
  // anything was.
  void check(Error::Parts parts) const;
};

// "Float [192, 3]".
std::string dtype_and_shape(const at::Tensor& tensor);

// "name: Float [3] against the model's Float [8]".
std::string misshapen_text(const std::string& name, const at::Tensor& source,
                           const at::Tensor& target);

// "3 missing (a, b, c)": the first few of a list; "" for an empty one.
std::string list_some(const std::string& kind, const std::vector<std::string>& names);

}  // namespace roboimi
