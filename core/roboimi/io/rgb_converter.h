// Converts decoded frames to RGB, as LeRobot's decoders do: bit-exact for 8-bit 4:2:0.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "roboimi/contract/observation.h"
#include "roboimi/io/ffmpeg.h"

namespace roboimi {

// Throws Error for formats without color that hold more than 8 bits, such as gray12le, in which
// LeRobot stores depth, and for those that FFmpeg cannot convert.
void check_rgb_format(AVPixelFormat format, const std::filesystem::path& file);

class RgbConverter {
 public:
  // Writes the frame to `pixels`, uint8 [height, width, 3].
  void convert(const AVFrame& frame, std::uint8_t* pixels);

 private:
  void configure(const AVFrame& frame);

  ffmpeg::Scaler scaler_;
  int width_ = 0, height_ = 0, format_ = AV_PIX_FMT_NONE, range_ = 0, matrix_ = 0;
  std::vector<std::uint8_t> padded_;  // rows as FFmpeg writes them
};

}  // namespace roboimi
