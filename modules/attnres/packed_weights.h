// A cache of weights repacked for inference, which is updated when the parameters change.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "modules/attnres/fused_pass.h"

namespace roboimi::attnres {

// A fingerprint of float or double CPU tensors that detects other tensors and updates without
// reading all values: the address and eight elements of each.
std::vector<double> fingerprint_of(const std::vector<at::Tensor>& parameters);

class PackedWeights {
 public:
  // Returns the weights from `make`, prepacked for products with `rows` rows (see prepack()). They
  // are cached until the fingerprint of `parameters`, `rows` or the precision changes.
  const FusedWeights& get(const std::vector<at::Tensor>& parameters, std::int64_t rows,
                          bool half_precision, const std::function<FusedWeights()>& make);

 private:
  FusedWeights weights_;
  std::int64_t rows_ = 0;
  bool half_precision_ = false;
  std::vector<double> fingerprint_;
};

}  // namespace roboimi::attnres
