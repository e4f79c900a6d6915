// Antialiased bilinear resampling of 8-bit images: torch's interpolate(mode="bilinear",
// antialias=True, align_corners=False), from interleaved bytes to planar floats.
#pragma once

#include <cstdint>
#include <vector>

namespace roboimi::view_fusion {

// The resampling weights of one axis: output i is the sum over j of
// weights[i * taps + j] * input[first[i] + j]. All these indices are within the input; unused taps
// have weight 0.
struct ResampleAxis {
  std::int64_t input = 0, output = 0, taps = 0;
  std::vector<std::int32_t> first;
  std::vector<float> weights;
};

// A triangle filter, widened by the scale factor when the image shrinks.
ResampleAxis make_resample_axis(std::int64_t input, std::int64_t output);

// Resamples `image` (bytes [rows.input, columns.input, 3]) to `planes` (floats [3, rows.output,
// columns.output]). Each result is v * gain[c] + offset[c], where v is the resampled byte.
// `scratch` is resized as needed.
void resample_image(const std::uint8_t* image, const ResampleAxis& rows,
                    const ResampleAxis& columns, const float gain[3], const float offset[3],
                    float* planes, std::vector<float>& scratch);

}  // namespace roboimi::view_fusion
