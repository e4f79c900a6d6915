#include "roboimi/io/video_reader.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <mutex>

#include "roboimi/io/frame_decoder.h"
#include "roboimi/io/rgb_converter.h"

namespace roboimi {

struct VideoReader::State {
  State(const std::filesystem::path& file, int threads)
      : source(file),
        index(source.list(), source.time_base(), file.string()),
        decoder(source, index, threads) {}

  void check_size(const AVFrame& decoded, std::int64_t frame) const {
    if (decoded.width == size.width && decoded.height == size.height && decoded.format == format) {
      return;
    }
    const auto shown = [](std::int64_t width, std::int64_t height, int format) {
      const char* const name = av_get_pix_fmt_name(static_cast<AVPixelFormat>(format));
      return std::to_string(width) + "x" + std::to_string(height) + " " +
             (name == nullptr ? "?" : name);
    };
    throw Error({.what = "frame " + std::to_string(frame) + " of the video has a different size",
                 .where = source.file().string(),
                 .expected = shown(size.width, size.height, format),
                 .found = shown(decoded.width, decoded.height, decoded.format),
                 .next = "convert the video: ffmpeg -i IN OUT.mp4"});
  }

  std::mutex mutex;
  PacketSource source;
  VideoIndex index;
  FrameDecoder decoder;
  RgbConverter converter;
  ImageSize size;  // and format of every frame
  int format = AV_PIX_FMT_NONE;
  std::int64_t following = 0;  // the frame after the last call's
};

VideoReader::VideoReader(const std::filesystem::path& file, int threads)
    : state_(std::make_unique<State>(file, threads)) {
  State& state = *state_;
  state.decoder.decode_first([&](std::int64_t, const AVFrame& decoded) {
    if (state.format != AV_PIX_FMT_NONE) return;
    check_rgb_format(static_cast<AVPixelFormat>(decoded.format), file);
    state.size = {.height = decoded.height, .width = decoded.width};
    state.format = decoded.format;
  });
}

VideoReader::~VideoReader() = default;
VideoReader::VideoReader(VideoReader&&) noexcept = default;
VideoReader& VideoReader::operator=(VideoReader&&) noexcept = default;

ImageSize VideoReader::size() const { return state_->size; }
std::int64_t VideoReader::num_frames() const { return state_->index.num_frames(); }
std::string VideoReader::codec() const { return state_->decoder.codec(); }
const std::vector<double>& VideoReader::times() const { return state_->index.times(); }
double VideoReader::offset() const { return state_->index.offset(); }
double VideoReader::duration() const { return state_->index.duration(); }

std::int64_t VideoReader::frame_at(double seconds) const {
  const std::vector<double>& all = times();
  const auto next = std::lower_bound(all.begin(), all.end(), seconds);
  if (next == all.begin()) return 0;
  const std::int64_t after = next - all.begin();
  if (next == all.end()) return after - 1;
  return seconds - *(next - 1) <= *next - seconds ? after - 1 : after;
}

at::Tensor VideoReader::read(std::int64_t first, std::int64_t count) {
  State& state = *state_;
  const std::lock_guard lock(state.mutex);
  const std::int64_t num_frames = state.index.num_frames();
  if (first < 0 || count < 0 || first > num_frames || count > num_frames - first) {
    throw Error({.what = "the video has no such frames",
                 .where = state.source.file().string(),
                 .expected = "frames within 0 to " + std::to_string(num_frames - 1),
                 .found = std::to_string(count) + " frames from " + std::to_string(first)});
  }
  at::Tensor frames = at::empty({count, state.size.height, state.size.width, 3}, at::kByte);
  auto* const pixels = frames.data_ptr<std::uint8_t>();
  const std::int64_t bytes = state.size.height * state.size.width * 3;
  std::vector<bool> is_read(static_cast<std::size_t>(count), false);
  const auto keep = [&](std::int64_t frame, const AVFrame& decoded) {
    const std::int64_t row = frame - first;
    if (row < 0 || row >= count || is_read[static_cast<std::size_t>(row)]) return;
    state.check_size(decoded, frame);
    state.converter.convert(decoded, pixels + row * bytes);
    is_read[static_cast<std::size_t>(row)] = true;
  };
  const bool is_sequential = first == state.following;
  state.following = first + count;
  for (std::int64_t row = 0; row < count; ++row) {
    if (is_read[static_cast<std::size_t>(row)]) continue;
    state.decoder.decode(first + row, !is_sequential && row == count - 1, keep);
  }
  return frames;
}

}  // namespace roboimi
