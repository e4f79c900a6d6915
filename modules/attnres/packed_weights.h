// Weights laid out for inference, made again when the parameters change.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "modules/attnres/fused_pass.h"

namespace roboimi::attnres {

// What tells these float or double CPU tensors from others, and from themselves before an update,
// without reading all of them: their places in memory and eight elements of each.
std::vector<double> fingerprint_of(const std::vector<at::Tensor>& parameters);

class PackedWeights {
 public:
  // The weights that `make` returns, prepacked for products with `rows` rows (see prepack()). Kept
  // until an element looked at differs, or a parameter's place in memory, or `rows` or the
  // precision does.
  const FusedWeights& get(const std::vector<at::Tensor>& parameters, std::int64_t rows,
                          bool half_precision, const std::function<FusedWeights()>& make);

 private:
  FusedWeights weights_;
  std::int64_t rows_ = 0;
  bool half_precision_ = false;
  std::vector<double> fingerprint_;
};

}  // namespace roboimi::attnres
