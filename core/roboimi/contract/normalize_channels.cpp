#include "roboimi/contract/normalize_channels.h"

#include <ATen/ATen.h>

#include "roboimi/common/error.h"

namespace roboimi {

void normalize_channels_(const at::Tensor& pixels, at::ArrayRef<double> mean,
                         at::ArrayRef<double> std) {
  const auto channels = static_cast<std::size_t>(pixels.size(1));
  ROBOIMI_CHECK(
      mean.size() == channels && std.size() == channels,
      c10::str("pixels ", pixels.sizes(), ", ", mean.size(), " means and ", std.size(), " stds"));
  for (std::size_t c = 0; c < channels; ++c) {
    pixels.select(1, static_cast<std::int64_t>(c)).sub_(mean[c]).div_(std[c]);
  }
}

}  // namespace roboimi
