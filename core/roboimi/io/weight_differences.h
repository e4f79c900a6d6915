// The differences between a set of tensors and a model, reported as one Error that lists them all.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "roboimi/common/error.h"

namespace roboimi {

struct WeightDifferences {
  std::vector<std::string> missing, unexpected, mismatched;

  // If there are differences, throws Error with `parts` and a list such as
  // "1 missing (first.bias); 2 unexpected (a, b)" as the found part.
  void check(Error::Parts parts) const;
};

// "Float [192, 3]".
std::string dtype_and_shape(const at::Tensor& tensor);

// "name: Float [3], but Float [8] in the model".
std::string mismatch_text(const std::string& name, const at::Tensor& source,
                          const at::Tensor& target);

// "3 missing (a, b, c)": the first few of a list; "" for an empty one.
std::string list_some(const std::string& kind, const std::vector<std::string>& names);

}  // namespace roboimi
