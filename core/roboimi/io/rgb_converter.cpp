#include "roboimi/io/rgb_converter.h"

#include <cstring>

namespace roboimi {

void check_rgb_format(AVPixelFormat format, const std::filesystem::path& file) {
  const AVPixFmtDescriptor* descriptor = av_pix_fmt_desc_get(format);
  const char* const name = descriptor == nullptr ? "unknown" : descriptor->name;
  const bool is_deep_gray =
      descriptor != nullptr && descriptor->nb_components <= 2 && descriptor->comp[0].depth > 8;
  if (is_deep_gray) {
    throw Error({.what = "the video holds depth or other single values, not colors",
                 .where = file.string(),
                 .expected = "a color video",
                 .found = name,
                 .next = "leave this camera out"});
  }
  if (descriptor == nullptr || sws_isSupportedInput(format) <= 0) {
    throw Error({.what = "cannot convert the video to RGB",
                 .where = file.string(),
                 .found = std::string("pixel format ") + name,
                 .next = "convert it: ffmpeg -i IN -pix_fmt yuv420p OUT.mp4"});
  }
}

void RgbConverter::configure(const AVFrame& frame) {
  const bool is_same = scaler_ && width_ == frame.width && height_ == frame.height &&
                       format_ == frame.format && range_ == frame.color_range &&
                       matrix_ == frame.colorspace;
  if (is_same) return;
  width_ = frame.width;
  height_ = frame.height;
  format_ = frame.format;
  range_ = frame.color_range;
  matrix_ = frame.colorspace;
  const auto format = static_cast<AVPixelFormat>(frame.format);
  scaler_.reset(
      ffmpeg::allocated(sws_getContext(width_, height_, format, width_, height_, AV_PIX_FMT_RGB24,
                                       SWS_BILINEAR, nullptr, nullptr, nullptr)));
  // If the stream does not state them, the matrix is BT.601 and the range is limited.
  int *from = nullptr, *to = nullptr;
  int from_range = 0, to_range = 0, brightness = 0, contrast = 0, saturation = 0;
  if (sws_getColorspaceDetails(scaler_.get(), &from, &from_range, &to, &to_range, &brightness,
                               &contrast, &saturation) < 0) {
    return;
  }
  if (frame.color_range == AVCOL_RANGE_JPEG) from_range = 1;
  const int* const matrix = sws_getCoefficients(frame.colorspace);
  sws_setColorspaceDetails(scaler_.get(), matrix, from_range, to, to_range, brightness, contrast,
                           saturation);
}

void RgbConverter::convert(const AVFrame& frame, std::uint8_t* pixels) {
  configure(frame);
  // FFmpeg writes whole blocks of 32 pixels.
  const int row = width_ * 3, stride = FFALIGN(width_, 32) * 3;
  std::uint8_t* target = pixels;
  if (stride != row) {
    padded_.resize(static_cast<std::size_t>(stride) * static_cast<std::size_t>(height_));
    target = padded_.data();
  }
  std::uint8_t* const planes[4] = {target};
  const int strides[4] = {stride};
  sws_scale(scaler_.get(), frame.data, frame.linesize, 0, height_, planes, strides);
  if (target == pixels) return;
  for (int y = 0; y < height_; ++y) {
    std::memcpy(pixels + static_cast<std::size_t>(y) * static_cast<std::size_t>(row),
                target + static_cast<std::size_t>(y) * static_cast<std::size_t>(stride),
                static_cast<std::size_t>(row));
  }
}

}  // namespace roboimi
