#include "roboimi/io/video.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/temporary_names.h"
#include "roboimi/common/write_advice.h"
#include "roboimi/io/ffmpeg.h"
#include "roboimi/io/image_check.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

using ffmpeg::allocated;
using Codec = VideoEncoding::Codec;

// FFmpeg's name of an encoder, and its settings.
struct Encoder {
  const char* name;
  AVPixelFormat format = AV_PIX_FMT_YUV420P;
  const char* preset = nullptr;
  bool has_rate_factor = false;
  bool has_lookahead = false;  // libx264's
};

// In order of preference.
std::vector<Encoder> encoders(const VideoEncoding& encoding) {
  const Encoder x264{
      .name = "libx264", .preset = "veryfast", .has_rate_factor = true, .has_lookahead = true};
  const Encoder openh264{.name = "libopenh264"};
  switch (encoding.codec) {
    case Codec::kPlayable:
      return {x264, openh264, {.name = "mpeg4"}};
    case Codec::kH264:
      return {x264, openh264};
    case Codec::kAv1:
      return {{.name = "libsvtav1", .preset = "12", .has_rate_factor = true}};
    case Codec::kLossless:
      return {{.name = "libx264rgb", .format = AV_PIX_FMT_RGB24, .preset = "veryfast"}};
  }
  return {};
}

std::string names(const std::vector<Encoder>& encoders) {
  std::string text;
  for (const Encoder& encoder : encoders)
    text += (text.empty() ? "" : " or ") + std::string(encoder.name);
  return text;
}

constexpr std::int64_t kLeastAv1Side = 64;  // of libsvtav1

// Of libx264, whose output depends on it; by default, the number of processors.
constexpr int kEncoderThreads = 4;

int even(std::int64_t side) { return static_cast<int>(side + side % 2); }

ffmpeg::Frame make_frame(AVPixelFormat format, int width, int height) {
  ffmpeg::Frame frame(allocated(av_frame_alloc()));
  frame->format = format;
  frame->width = width;
  frame->height = height;
  if (av_frame_get_buffer(frame.get(), 0) < 0) throw Error("out of memory");
  return frame;
}

}  // namespace

struct VideoWriter::State {
  fs::path path, temporary;
  ImageSize size;
  AVFormatContext* container = nullptr;
  AVStream* stream = nullptr;
  ffmpeg::Codec codec;
  ffmpeg::Frame rgb, encoded;  // a frame as it is added, and in the encoder's format
  ffmpeg::Packet packet;
  ffmpeg::Scaler scaler;
  std::int64_t num_frames = 0;

  ~State() {
    end_codec();
    if (container != nullptr) {
      avio_closep(&container->pb);
      avformat_free_context(container);
    }
    std::error_code ignored;
    fs::remove(temporary, ignored);
  }

  // Throws Error if `status`, the result of an FFmpeg call, is negative.
  void check(int status, const std::string& doing) const {
    if (status >= 0) return;
    throw Error({.what = "cannot " + doing + ": " + ffmpeg::reason(status),
                 .where = path.string(),
                 .next = write_advice(AVUNERROR(status))});
  }

  void open_codec(double fps, const VideoEncoding& encoding);
  int try_encoder(const Encoder& choice, double fps, const VideoEncoding& encoding);
  void open_container();
  void end_codec();
  void drain(const AVFrame* frame);
};

// Returns FFmpeg's status: AVERROR_ENCODER_NOT_FOUND, or the reason why the encoder refuses such
// frames or settings; not negative if it is open.
int VideoWriter::State::try_encoder(const Encoder& choice, double fps,
                                    const VideoEncoding& encoding) {
  const AVCodec* const encoder = avcodec_find_encoder_by_name(choice.name);
  if (encoder == nullptr) return AVERROR_ENCODER_NOT_FOUND;
  codec.reset(allocated(avcodec_alloc_context3(encoder)));
  const bool is_rgb = choice.format == AV_PIX_FMT_RGB24;
  codec->width = is_rgb ? static_cast<int>(size.width) : even(size.width);
  codec->height = is_rgb ? static_cast<int>(size.height) : even(size.height);
  codec->pix_fmt = choice.format;
  codec->framerate = av_d2q(fps, 60000);
  codec->time_base = av_inv_q(codec->framerate);
  codec->gop_size = encoding.keyframe_interval > 0 ? encoding.keyframe_interval
                                                   : std::max(1, static_cast<int>(fps));
  // With keyframes so close together, B-frames save nothing and delay every frame in the decoder.
  const bool has_near_keyframes =
      encoding.keyframe_interval == 1 || encoding.keyframe_interval == 2;
  if (has_near_keyframes) codec->max_b_frames = 0;
  if (!is_rgb) {
    codec->color_range = AVCOL_RANGE_MPEG;
    codec->colorspace = AVCOL_SPC_SMPTE170M;  // the result of swscale
  }
  codec->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  codec->thread_count = kEncoderThreads;
  int status = 0;
  if (choice.preset != nullptr) {
    status = av_opt_set(codec->priv_data, "preset", choice.preset, 0);
  }
  if (status < 0) return status;
  // libx264 looks ahead for frames that refer to this one, of which there is at most one then. Its
  // estimate for small frames differs from run to run.
  if (has_near_keyframes && choice.has_lookahead) {
    av_opt_set_int(codec->priv_data, "mbtree", 0, 0);
    av_opt_set_int(codec->priv_data, "rc-lookahead", 0, 0);
  }
  if (is_rgb) {
    status = av_opt_set_int(codec->priv_data, "qp", 0, 0);
  } else if (choice.has_rate_factor) {
    status = av_opt_set_int(codec->priv_data, "crf", encoding.rate_factor, 0);
  } else {
    codec->bit_rate = std::max<std::int64_t>(1'000'000, size.width * size.height * 8);
  }
  return status < 0 ? status : avcodec_open2(codec.get(), encoder, nullptr);
}

void VideoWriter::State::open_codec(double fps, const VideoEncoding& encoding) {
  // Otherwise libsvtav1 prints its settings to stderr.
  if (encoding.codec == Codec::kAv1) ::setenv("SVT_LOG", "1", 0);
  const std::vector<Encoder> choices = encoders(encoding);
  std::string refusals;
  for (const Encoder& choice : choices) {
    const int status = try_encoder(choice, fps, encoding);
    if (status >= 0) return;
    if (status == AVERROR_ENCODER_NOT_FOUND) continue;
    refusals +=
        fmt::format("{}{}: {}", refusals.empty() ? "" : ", ", choice.name, ffmpeg::reason(status));
  }
  if (refusals.empty()) {
    throw Error({.what = "FFmpeg lacks the encoder of the video",
                 .where = path.string(),
                 .expected = names(choices),
                 .next = "install libavcodec-extra"});
  }
  const bool is_small = std::min(size.height, size.width) < kLeastAv1Side;
  throw Error({.what = "FFmpeg's encoder refuses the frames or their settings",
               .where = path.string(),
               .found = fmt::format("{}x{} at {:g} frames per second, rate factor {} ({})",
                                    size.width, size.height, fps, encoding.rate_factor, refusals),
               .next = encoding.codec == Codec::kAv1 && is_small
                           ? fmt::format("AV1 needs sides of at least {} pixels", kLeastAv1Side)
                           : ""});
}

void VideoWriter::State::open_container() {
  check(avformat_alloc_output_context2(&container, nullptr, "mp4", ffmpeg::url(temporary).c_str()),
        "create the MP4 container");
  stream = allocated(avformat_new_stream(container, nullptr));
  stream->time_base = codec->time_base;
  stream->avg_frame_rate = codec->framerate;
  check(avcodec_parameters_from_context(stream->codecpar, codec.get()), "describe the video");
  check(avio_open(&container->pb, ffmpeg::url(temporary).c_str(), AVIO_FLAG_WRITE),
        "create the video");
  AVDictionary* options = nullptr;
  av_dict_set(&options, "movflags", "+faststart", 0);
  const int status = avformat_write_header(container, &options);
  av_dict_free(&options);
  check(status, "write the video");
}

// libsvtav1 waits forever while it closes an encoder that never received a frame.
void VideoWriter::State::end_codec() {
  if (codec == nullptr || !avcodec_is_open(codec.get()) || num_frames > 0) return;
  if (codec->codec_id != AV_CODEC_ID_AV1) return;
  try {
    const ffmpeg::Frame blank = make_frame(codec->pix_fmt, codec->width, codec->height);
    blank->pts = 0;
    avcodec_send_frame(codec.get(), blank.get());
  } catch (const Error&) {
    // Without memory for a frame, nothing else can be done in a destructor.
  }
}

void VideoWriter::State::drain(const AVFrame* frame) {
  check(avcodec_send_frame(codec.get(), frame), "encode the video");
  while (true) {
    const int status = avcodec_receive_packet(codec.get(), packet.get());
    if (status == AVERROR(EAGAIN) || status == AVERROR_EOF) return;
    check(status, "encode the video");
    packet->duration = 1;
    av_packet_rescale_ts(packet.get(), codec->time_base, stream->time_base);
    packet->stream_index = stream->index;
    check(av_interleaved_write_frame(container, packet.get()), "write the video");
    check(container->pb->error, "write the video");
  }
}

VideoWriter::VideoWriter(const fs::path& path, ImageSize size, double fps, VideoEncoding encoding)
    : state_(std::make_unique<State>()) {
  ffmpeg::silence();
  if (size.height < 1 || size.width < 1 || size.height > 16384 || size.width > 16384 ||
      !(fps > 0.0 && fps <= 1000.0)) {
    throw Error({.what = "cannot write a video",
                 .where = path.string(),
                 .expected = "sides of 1 to 16384 pixels and at most 1000 frames per second",
                 .found = std::to_string(size.width) + "x" + std::to_string(size.height) + " at " +
                          std::to_string(fps)});
  }
  State& state = *state_;
  state.path = path;
  state.size = size;
  if (path.has_parent_path()) fs::create_directories(path.parent_path());
  remove_leftovers_of(path);
  state.temporary = temporary_name(path);
  state.open_codec(fps, encoding);
  state.open_container();
  const int width = state.codec->width, height = state.codec->height;
  state.rgb = make_frame(AV_PIX_FMT_RGB24, width, height);
  state.encoded = make_frame(state.codec->pix_fmt, width, height);
  state.packet.reset(allocated(av_packet_alloc()));
  state.scaler.reset(
      allocated(sws_getContext(width, height, AV_PIX_FMT_RGB24, width, height, state.codec->pix_fmt,
                               SWS_BICUBIC, nullptr, nullptr, nullptr)));
}

VideoWriter::~VideoWriter() = default;

void VideoWriter::add(const at::Tensor& frame) {
  ROBOIMI_CHECK(state_ != nullptr, "add() after close()");
  State& state = *state_;
  check_image(frame, "add a frame to a video");
  if (frame.size(0) != state.size.height || frame.size(1) != state.size.width) {
    throw Error(
        {.what = "the frame has the wrong size",
         .where = state.path.string(),
         .expected = std::to_string(state.size.width) + "x" + std::to_string(state.size.height),
         .found = std::to_string(frame.size(1)) + "x" + std::to_string(frame.size(0))});
  }
  at::Tensor pixels = frame.cpu();
  if (pixels.size(0) < state.rgb->height) pixels = at::cat({pixels, pixels.slice(0, -1)}, 0);
  if (pixels.size(1) < state.rgb->width) pixels = at::cat({pixels, pixels.slice(1, -1)}, 1);
  pixels = pixels.contiguous();
  const std::size_t row = static_cast<std::size_t>(pixels.size(1)) * 3;
  for (std::int64_t y = 0; y < pixels.size(0); ++y) {
    std::memcpy(state.rgb->data[0] + y * state.rgb->linesize[0],
                pixels.data_ptr<std::uint8_t>() + static_cast<std::size_t>(y) * row, row);
  }
  // The encoder may still hold the last frame's buffer.
  state.check(av_frame_make_writable(state.encoded.get()), "encode the video");
  sws_scale(state.scaler.get(), state.rgb->data, state.rgb->linesize, 0, state.rgb->height,
            state.encoded->data, state.encoded->linesize);
  state.encoded->pts = state.num_frames++;
  state.drain(state.encoded.get());
}

void VideoWriter::close() {
  ROBOIMI_CHECK(state_ != nullptr, "close() twice");
  const std::unique_ptr<State> state = std::move(state_);
  if (state->num_frames == 0) {
    throw Error({.what = "the video has no frames", .where = state->path.string()});
  }
  state->drain(nullptr);
  state->check(av_write_trailer(state->container), "finish the video");
  avio_flush(state->container->pb);
  state->check(state->container->pb->error, "finish the video");
  state->check(avio_closep(&state->container->pb), "finish the video");
  write_file_atomically(state->path, [&](const fs::path& final_temporary) {
    fs::rename(state->temporary, final_temporary);
  });
}

void VideoWriter::require_encoder(ImageSize size, double fps, VideoEncoding encoding) {
  ffmpeg::silence();
  State state;
  state.path = "video";
  state.size = size;
  state.open_codec(fps, encoding);
}

std::string VideoWriter::encoder() const {
  ROBOIMI_CHECK(state_ != nullptr, "encoder() after close()");
  return state_->codec->codec->name;
}

}  // namespace roboimi
