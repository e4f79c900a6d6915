// Antialiased bilinear resampling of 8-bit images: torch's interpolate(mode="bilinear",
// antialias=True, align_corners=False), from interleaved bytes to planar floats.
#pragma once

#include <cstdint>
#include <vector>

namespace roboimi::view_fusion {

// One axis: output i is the sum over j of weights[i * taps + j] * input[first[i] + j]. Indices past
// the input's end carry weight 0 and are clamped into it.
struct ResampleAxis {
  std::int64_t input = 0, output = 0, taps = 0;
  std::vector<std::int32_t> first;
  std::vector<float> weights;
};

// Triangle filter, widened by the scale when it shrinks.
ResampleAxis make_resample_axis(std::int64_t input, std::int64_t output);

// image [rows.input, columns.input, 3] bytes -> planes [3, rows.output, columns.output], each value
// v * gain[c] + offset[c] of the resampled byte v. `scratch` is resized as needed.
void resample_image(const std::uint8_t* image, const ResampleAxis& rows,
                    const ResampleAxis& columns, const float gain[3], const float offset[3],
                    float* planes, std::vector<float>& scratch);

}  // namespace roboimi::view_fusion
