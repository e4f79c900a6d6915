// The datasets of tests/golden/zarr, and the values that tests/reference/zarr_files.py computed
// with NumPy.
#pragma once

#include <ATen/ATen.h>

#include <filesystem>

#include "plugins/zarr_dataset/zarr_dataset.h"

namespace roboimi::zarr_dataset {

inline constexpr std::int64_t kZarrRows = 9;
inline constexpr std::int64_t kZarrStarts[] = {0, 3, 7}, kZarrLengths[] = {3, 4, 2};

inline std::filesystem::path golden(const std::string& name) {
  return std::filesystem::path(ROBOIMI_SOURCE_DIR) / "tests/golden/zarr" / name;
}

// Rows of an episode, [L, columns].
inline at::Tensor zarr_table(std::int64_t episode, std::int64_t columns, double offset = 0.25) {
  const at::Tensor n = at::arange(kZarrRows, at::kDouble).view({-1, 1});
  return (10.0 * n + at::arange(columns, at::kDouble) + offset)
      .to(at::kFloat)
      .narrow(0, kZarrStarts[episode], kZarrLengths[episode]);
}

// Frames of an episode, uint8 [L, 6, 8, 3].
inline at::Tensor zarr_images(std::int64_t episode) {
  const auto axis = [](std::int64_t n, std::int64_t factor, at::IntArrayRef shape) {
    return (factor * at::arange(n, at::kLong)).view(shape);
  };
  return (axis(kZarrRows, 11, {-1, 1, 1, 1}) + axis(6, 8, {-1, 1, 1}) + axis(8, 6, {-1, 1}) +
          axis(3, 20, {-1}))
      .remainder(256)
      .to(at::kByte)
      .narrow(0, kZarrStarts[episode], kZarrLengths[episode]);
}

}  // namespace roboimi::zarr_dataset
