#include "modules/view_fusion/resample.h"

#include <algorithm>
#include <cmath>

namespace roboimi::view_fusion {
namespace {

// Resamples vertically: row[x] = sum over taps of weight * image byte, for one output row of
// interleaved pixels.
void mix_rows(const std::uint8_t* first, std::int64_t stride, const float* weights,
              std::int64_t taps, std::int64_t width, float* row) {
  const float w0 = weights[0];
  for (std::int64_t x = 0; x < width; ++x) row[x] = w0 * static_cast<float>(first[x]);
  for (std::int64_t j = 1; j < taps; ++j) {
    const float w = weights[j];
    if (w == 0.0F) continue;
    const std::uint8_t* in = first + j * stride;
    for (std::int64_t x = 0; x < width; ++x) row[x] += w * static_cast<float>(in[x]);
  }
}

// Resamples horizontally: one output row of the three planes from one row of interleaved floats.
void mix_columns(const float* row, const ResampleAxis& columns, const float gain[3],
                 const float offset[3], float* const planes[3]) {
  for (std::int64_t x = 0; x < columns.output; ++x) {
    const float* weights = columns.weights.data() + x * columns.taps;
    const float* in = row + 3 * columns.first[x];
    float red = 0.0F, green = 0.0F, blue = 0.0F;
    for (std::int64_t j = 0; j < columns.taps; ++j) {
      red += weights[j] * in[3 * j];
      green += weights[j] * in[3 * j + 1];
      blue += weights[j] * in[3 * j + 2];
    }
    planes[0][x] = red * gain[0] + offset[0];
    planes[1][x] = green * gain[1] + offset[1];
    planes[2][x] = blue * gain[2] + offset[2];
  }
}

}  // namespace

ResampleAxis make_resample_axis(std::int64_t input, std::int64_t output) {
  // Uses single precision in the same places as torch: the rounding error of a float center at
  // pixel 700 is 3e-5, so exact arithmetic would change the result by 1e-4.
  const float scale = static_cast<float>(input) / static_cast<float>(output);
  const float support = std::max(scale, 1.0F);
  const float inverse = scale >= 1.0F ? 1.0F / scale : 1.0F;
  ResampleAxis axis{.input = input, .output = output};
  axis.taps = std::min<std::int64_t>(static_cast<std::int64_t>(std::ceil(support)) * 2 + 1, input);
  axis.first.resize(output);
  axis.weights.assign(output * axis.taps, 0.0F);
  for (std::int64_t i = 0; i < output; ++i) {
    const auto center = static_cast<float>(scale * (static_cast<double>(i) + 0.5));
    const auto low = std::max<std::int64_t>(static_cast<std::int64_t>(center - support + 0.5), 0);
    const auto high =
        std::min<std::int64_t>(static_cast<std::int64_t>(center + support + 0.5), input);
    // If the window would exceed the input, shift it left and pad it with zero weights in front.
    const std::int64_t first = std::min(low, input - axis.taps);
    float* weights = axis.weights.data() + i * axis.taps;
    float total = 0.0F;
    for (std::int64_t j = low; j < high; ++j) {
      const auto distance = static_cast<float>((static_cast<float>(j) - center + 0.5) * inverse);
      weights[j - first] = std::max(1.0F - std::abs(distance), 0.0F);
      total += weights[j - first];
    }
    for (std::int64_t j = low; j < high; ++j) weights[j - first] /= total;
    axis.first[i] = static_cast<std::int32_t>(first);
  }
  return axis;
}

void resample_image(const std::uint8_t* image, const ResampleAxis& rows,
                    const ResampleAxis& columns, const float gain[3], const float offset[3],
                    float* planes, std::vector<float>& scratch) {
  const std::int64_t stride = columns.input * 3;
  const std::int64_t plane = rows.output * columns.output;
  scratch.resize(stride);
  for (std::int64_t y = 0; y < rows.output; ++y) {
    mix_rows(image + rows.first[y] * stride, stride, rows.weights.data() + y * rows.taps, rows.taps,
             stride, scratch.data());
    float* const out[3] = {planes + y * columns.output, planes + plane + y * columns.output,
                           planes + 2 * plane + y * columns.output};
    mix_columns(scratch.data(), columns, gain, offset, out);
  }
}

}  // namespace roboimi::view_fusion
