// The mean and standard deviation of ImageNet's pixels, scaled to 0..1, for red, green and blue.
#pragma once

namespace roboimi {

inline constexpr double kImageNetMean[3] = {0.485, 0.456, 0.406};
inline constexpr double kImageNetStd[3] = {0.229, 0.224, 0.225};

}  // namespace roboimi
