#include "tests/unit/io/test_video.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>

#include "roboimi/io/ffmpeg.h"

// The encoder of HEVC keeps some memory when it is closed. LeakSanitizer calls this.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:x265_malloc\n"; }

namespace roboimi {
namespace {

using ffmpeg::allocated;

constexpr int kBlock = 8;     // pixels of a side
constexpr int kNumBits = 10;  // of a frame's number

void check(int status, const std::string& doing) {
  if (status < 0) throw Error("test video: cannot " + doing + ": " + ffmpeg::reason(status));
}

AVDictionary* dictionary(const FfmpegOptions& options) {
  AVDictionary* result = nullptr;
  for (const auto& [key, value] : options) av_dict_set(&result, key.c_str(), value.c_str(), 0);
  return result;
}

// An output file with one stream.
struct Output {
  Output(const std::filesystem::path& file, const AVCodecParameters& parameters,
         AVRational time_base, const FfmpegOptions& options) {
    check(avformat_alloc_output_context2(&context, nullptr, nullptr, file.c_str()), "open");
    stream = allocated(avformat_new_stream(context, nullptr));
    stream->time_base = time_base;
    check(avcodec_parameters_copy(stream->codecpar, &parameters), "describe");
    stream->codecpar->codec_tag = 0;
    check(avio_open(&context->pb, file.c_str(), AVIO_FLAG_WRITE), "create");
    AVDictionary* dict = dictionary(options);
    const int status = avformat_write_header(context, &dict);
    const int num_unknown = av_dict_count(dict);
    av_dict_free(&dict);
    check(status, "write the header");
    if (num_unknown > 0) throw Error("test video: unknown options of the container");
  }
  ~Output() {
    avio_closep(&context->pb);
    avformat_free_context(context);
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  void write(AVPacket& packet) {
    packet.stream_index = stream->index;
    packet.pos = -1;
    check(av_interleaved_write_frame(context, &packet), "write a packet");
  }
  void finish() { check(av_write_trailer(context), "finish"); }

  AVFormatContext* context = nullptr;
  AVStream* stream = nullptr;
};

ffmpeg::Input open_input(const std::filesystem::path& file, int flags = 0) {
  AVFormatContext* context = allocated(avformat_alloc_context());
  context->flags |= flags;
  check(avformat_open_input(&context, file.c_str(), nullptr, nullptr), "read " + file.string());
  if (flags == 0) check(avformat_find_stream_info(context, nullptr), "read " + file.string());
  return ffmpeg::Input(context);
}

ffmpeg::Frame converted(const at::Tensor& image, AVPixelFormat format) {
  const int height = static_cast<int>(image.size(0)), width = static_cast<int>(image.size(1));
  ffmpeg::Frame frame(allocated(av_frame_alloc()));
  frame->format = format;
  frame->width = width;
  frame->height = height;
  check(av_frame_get_buffer(frame.get(), 0), "allocate a frame");
  const ffmpeg::Scaler scaler(
      allocated(sws_getContext(width, height, AV_PIX_FMT_RGB24, width, height, format, SWS_BICUBIC,
                               nullptr, nullptr, nullptr)));
  const at::Tensor pixels = image.contiguous();
  const std::uint8_t* const rows[4] = {pixels.const_data_ptr<std::uint8_t>()};
  const int strides[4] = {width * 3};
  sws_scale(scaler.get(), rows, strides, 0, height, frame->data, frame->linesize);
  return frame;
}

}  // namespace

at::Tensor numbered_frame(int number, int height, int width) {
  at::Tensor image = at::full({height, width, 3}, 40, at::kByte);
  const int per_row = width / kBlock;
  for (int bit = 0; bit < kNumBits; ++bit) {
    const int y = bit / per_row * kBlock, x = bit % per_row * kBlock;
    const int value = (number >> bit & 1) != 0 ? 220 : 40;
    image.slice(0, y, y + kBlock).slice(1, x, x + kBlock).fill_(value);
  }
  // Motion, so that frames depend on each other.
  const int y = 3 * kBlock + number % kBlock, x = number % (width - kBlock);
  image.slice(0, y, y + kBlock).slice(1, x, x + kBlock).select(2, 0).fill_(230);
  return image;
}

int shown_number(const at::Tensor& frame) {
  const auto per_row = static_cast<int>(frame.size(1)) / kBlock;
  int number = 0;
  for (int bit = 0; bit < kNumBits; ++bit) {
    const int y = bit / per_row * kBlock + kBlock / 2, x = bit % per_row * kBlock + kBlock / 2;
    if (frame[y][x][1].item<int>() > 128) number |= 1 << bit;
  }
  return number;
}

void encode_video(const std::filesystem::path& file, const VideoRecipe& recipe) {
  ffmpeg::silence();
  const AVCodec* encoder = avcodec_find_encoder_by_name(recipe.encoder.c_str());
  ASSERT_NE(encoder, nullptr) << "FFmpeg has no encoder " << recipe.encoder;
  const ffmpeg::Codec codec(allocated(avcodec_alloc_context3(encoder)));
  codec->width = recipe.width;
  codec->height = recipe.height;
  codec->pix_fmt = av_get_pix_fmt(recipe.pixel_format.c_str());
  codec->framerate = {recipe.rate, 1};
  codec->time_base = recipe.times.empty() ? AVRational{1, recipe.rate} : AVRational{1, 1000};
  codec->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  AVDictionary* options = dictionary(recipe.options);
  const int status = avcodec_open2(codec.get(), encoder, &options);
  const int num_unknown = av_dict_count(options);
  av_dict_free(&options);
  check(status, "open " + recipe.encoder);
  ASSERT_EQ(num_unknown, 0) << "unknown options of " << recipe.encoder;

  const ffmpeg::Packet packet(allocated(av_packet_alloc()));
  AVCodecParameters* parameters = allocated(avcodec_parameters_alloc());
  check(avcodec_parameters_from_context(parameters, codec.get()), "describe");
  Output output(file, *parameters, codec->time_base, recipe.container);
  avcodec_parameters_free(&parameters);
  output.stream->avg_frame_rate = codec->framerate;
  const auto drain = [&](const AVFrame* frame) {
    check(avcodec_send_frame(codec.get(), frame), "encode");
    while (avcodec_receive_packet(codec.get(), packet.get()) == 0) {
      if (recipe.times.empty()) packet->duration = 1;
      av_packet_rescale_ts(packet.get(), codec->time_base, output.stream->time_base);
      output.write(*packet);
    }
  };
  for (int i = 0; i < recipe.num_frames; ++i) {
    const ffmpeg::Frame frame =
        converted(numbered_frame(i, recipe.height, recipe.width), codec->pix_fmt);
    frame->pts = recipe.times.empty() ? i : recipe.times.at(static_cast<std::size_t>(i));
    drain(frame.get());
  }
  drain(nullptr);
  output.finish();
}

void copy_packets(const std::filesystem::path& file, const PacketCopy& copy) {
  ffmpeg::silence();
  std::unique_ptr<Output> output;
  const ffmpeg::Packet packet(allocated(av_packet_alloc()));
  std::int64_t start = 0, end = 0, last_dts = std::numeric_limits<std::int64_t>::min();
  int num_read = 0;
  for (const std::filesystem::path& source : copy.sources) {
    const ffmpeg::Input input = open_input(source);
    const AVStream& stream = *input->streams[0];
    if (!output) {
      output = std::make_unique<Output>(file, *stream.codecpar, stream.time_base, copy.container);
    }
    while (av_read_frame(input.get(), packet.get()) >= 0) {
      if (num_read++ < copy.skip) {
        av_packet_unref(packet.get());
        continue;
      }
      packet->pts += start;
      // The decoding times of a file must ascend, also where the times of display overlap.
      packet->dts = std::max(packet->dts + start, last_dts + 1);
      last_dts = packet->dts;
      end = std::max(end, packet->pts + packet->duration);
      av_packet_rescale_ts(packet.get(), stream.time_base, output->stream->time_base);
      output->write(*packet);
    }
    start = end - copy.overlap;
  }
  output->finish();
}

std::vector<PacketPlace> packets_of(const std::filesystem::path& file) {
  const ffmpeg::Input input = open_input(file, AVFMT_FLAG_NOPARSE | AVFMT_FLAG_NOFILLIN);
  const ffmpeg::Packet packet(allocated(av_packet_alloc()));
  std::vector<PacketPlace> places;
  while (av_read_frame(input.get(), packet.get()) >= 0) {
    places.push_back({.position = packet->pos,
                      .size = packet->size,
                      .is_keyframe = (packet->flags & AV_PKT_FLAG_KEY) != 0,
                      .pts = packet->pts});
    av_packet_unref(packet.get());
  }
  return places;
}

}  // namespace roboimi
