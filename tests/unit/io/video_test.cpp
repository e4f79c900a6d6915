// The tests read the files with FFmpeg's demuxer and decoder.
#include "roboimi/io/video.h"

#include <gmock/gmock.h>
#include <sched.h>
#include <sys/resource.h>

#include <csignal>

#include "roboimi/common/files.h"
#include "tests/unit/io/io_test_support.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libswscale/swscale.h>
}

namespace roboimi {
namespace {

using ::testing::HasSubstr;

class Video : public InFolder {};

struct DecodedVideo {
  std::vector<at::Tensor> frames;  // uint8 [H, W, 3]
  double fps = 0.0;
};

at::Tensor to_rgb(const AVFrame& frame) {
  at::Tensor image = at::empty({frame.height, frame.width, 3}, at::kByte);
  SwsContext* scaler =
      sws_getContext(frame.width, frame.height, AV_PIX_FMT_YUV420P, frame.width, frame.height,
                     AV_PIX_FMT_RGB24, SWS_BICUBIC, nullptr, nullptr, nullptr);
  std::uint8_t* rows[] = {image.data_ptr<std::uint8_t>()};
  const int strides[] = {frame.width * 3};
  sws_scale(scaler, frame.data, frame.linesize, 0, frame.height, rows, strides);
  sws_freeContext(scaler);
  return image;
}

DecodedVideo decode(const std::filesystem::path& path) {
  DecodedVideo video;
  AVFormatContext* container = nullptr;
  EXPECT_EQ(avformat_open_input(&container, path.c_str(), nullptr, nullptr), 0);
  EXPECT_GE(avformat_find_stream_info(container, nullptr), 0);
  EXPECT_EQ(container->nb_streams, 1u);
  const AVStream* stream = container->streams[0];
  video.fps = av_q2d(stream->avg_frame_rate);
  AVCodecContext* codec = avcodec_alloc_context3(avcodec_find_decoder(stream->codecpar->codec_id));
  avcodec_parameters_to_context(codec, stream->codecpar);
  EXPECT_EQ(avcodec_open2(codec, nullptr, nullptr), 0);
  AVPacket* packet = av_packet_alloc();
  AVFrame* frame = av_frame_alloc();
  bool more = true;
  while (more) {
    more = av_read_frame(container, packet) >= 0;
    avcodec_send_packet(codec, more ? packet : nullptr);
    av_packet_unref(packet);
    while (avcodec_receive_frame(codec, frame) == 0) {
      EXPECT_EQ(frame->format, AV_PIX_FMT_YUV420P);
      video.frames.push_back(to_rgb(*frame));
    }
  }
  av_frame_free(&frame);
  av_packet_free(&packet);
  avcodec_free_context(&codec);
  avformat_close_input(&container);
  return video;
}

double psnr(const at::Tensor& a, const at::Tensor& b) {
  const double error = (a.to(at::kDouble) - b.to(at::kDouble)).square().mean().item<double>();
  return 10.0 * std::log10(255.0 * 255.0 / error);
}

// A bright square that moves with `step`. uint8 [height, width, 3].
at::Tensor scene(std::int64_t height, std::int64_t width, std::int64_t step) {
  at::Tensor image = at::full({height, width, 3}, 60, at::kByte);
  image.slice(0, 20, 50).slice(1, 10 + step, 40 + step).select(2, 0).fill_(220);
  return image;
}

TEST_F(Video, HasEveryFrameAtItsRate) {
  VideoWriter writer(folder_ / "a.mp4", {.height = 96, .width = 128}, 20.0);
  for (std::int64_t step = 0; step < 45; ++step) writer.add(scene(96, 128, step));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "a.mp4"));
  writer.close();
  EXPECT_EQ(num_entries(), 1);
  const DecodedVideo video = decode(folder_ / "a.mp4");
  ASSERT_EQ(video.frames.size(), 45u);
  EXPECT_DOUBLE_EQ(video.fps, 20.0);
  EXPECT_GT(psnr(video.frames[0], scene(96, 128, 0)), 26.0);
  EXPECT_GT(psnr(video.frames[44], scene(96, 128, 44)), 26.0);
  EXPECT_LT(psnr(video.frames[44], scene(96, 128, 0)), 20.0);
}

TEST_F(Video, TheIndexComesBeforeTheData) {
  VideoWriter writer(folder_ / "a.mp4", {.height = 32, .width = 32}, 10.0);
  writer.add(at::zeros({32, 32, 3}, at::kByte));
  writer.close();
  const std::string bytes = read_text(folder_ / "a.mp4");
  EXPECT_LT(bytes.find("moov"), bytes.find("mdat"));
}

// Collections and conversions must give the same files on every machine.
TEST_F(Video, TheNumberOfProcessorsDoesNotChangeTheFile) {
  using Codec = VideoEncoding::Codec;
  cpu_set_t all, one;
  ASSERT_EQ(::sched_getaffinity(0, sizeof(all), &all), 0);
  CPU_ZERO(&one);
  CPU_SET(::sched_getcpu(), &one);
  for (const Codec codec : {Codec::kH264, Codec::kLossless, Codec::kAv1}) {
    const auto written_on = [&](const cpu_set_t& processors) {
      EXPECT_EQ(::sched_setaffinity(0, sizeof(processors), &processors), 0);
      VideoWriter writer(folder_ / "a.mp4", {.height = 96, .width = 128}, 20.0, {.codec = codec});
      for (std::int64_t step = 0; step < 20; ++step) writer.add(scene(96, 128, step));
      writer.close();
      EXPECT_EQ(::sched_setaffinity(0, sizeof(all), &all), 0);
      return read_text(folder_ / "a.mp4");
    };
    EXPECT_EQ(written_on(one), written_on(all));
  }
}

TEST_F(Video, OddSidesArePaddedByRepeating) {
  VideoWriter writer(folder_ / "a.mp4", {.height = 33, .width = 47}, 10.0);
  const at::Tensor frame = at::full({33, 47, 3}, 200, at::kByte);
  writer.add(frame);
  writer.close();
  const at::Tensor read = decode(folder_ / "a.mp4").frames.at(0);
  EXPECT_EQ(read.sizes(), (c10::IntArrayRef{34, 48, 3}));
  EXPECT_GT(read.min().item<int>(), 190);
}

TEST_F(Video, AnUnfinishedVideoLeavesNoFile) {
  {
    VideoWriter writer(folder_ / "a.mp4", {.height = 32, .width = 32}, 10.0);
    writer.add(at::zeros({32, 32, 3}, at::kByte));
  }
  EXPECT_EQ(num_entries(), 0);
  VideoWriter empty(folder_ / "b.mp4", {.height = 32, .width = 32}, 10.0);
  EXPECT_THAT(error_of([&] { empty.close(); }), HasSubstr("the video has no frames"));
  EXPECT_EQ(num_entries(), 0);
}

// libsvtav1 does not return from its close without a frame.
TEST_F(Video, AnAv1EncoderWithoutFramesCanBeClosed) {
  const VideoEncoding encoding{.codec = VideoEncoding::Codec::kAv1};
  VideoWriter::require_encoder({.height = 64, .width = 96}, 10.0, encoding);
  { VideoWriter writer(folder_ / "a.mp4", {.height = 64, .width = 96}, 10.0, encoding); }
  EXPECT_EQ(num_entries(), 0);
}

TEST_F(Video, WhatAKilledProcessLeftIsRemoved) {
  write_quickly(folder_ / ".a.mp4.tmp999999999", "of a process that does not exist");
  VideoWriter writer(folder_ / "a.mp4", {.height = 32, .width = 32}, 10.0);
  VideoWriter second(folder_ / "a.mp4", {.height = 32, .width = 32}, 10.0);
  for (VideoWriter* each : {&writer, &second}) each->add(at::zeros({32, 32, 3}, at::kByte));
  writer.close();
  second.close();
  EXPECT_EQ(num_entries(), 1);
  EXPECT_EQ(decode(folder_ / "a.mp4").frames.size(), 1u);
}

TEST_F(Video, AFrameOfAnotherSizeIsRejected) {
  VideoWriter writer(folder_ / "a.mp4", {.height = 32, .width = 64}, 10.0);
  EXPECT_THAT(error_of([&] {
                writer.add(at::zeros({64, 32, 3}, at::kByte));
              }),
              HasSubstr("expected 64x32; found 32x64"));
  EXPECT_THAT(error_of([&] { VideoWriter(folder_ / "b.mp4", {.height = 0, .width = 64}, 10.0); }),
              HasSubstr("cannot write a video"));
}

TEST_F(Video, ReportsWhyAnEncoderRefuses) {
  const std::string text = error_of(
      [] { VideoWriter::require_encoder({.height = 48, .width = 64}, 10.0, kRandomAccessAv1); });
  EXPECT_THAT(text, HasSubstr("FFmpeg's encoder refuses the frames or their settings: found 64x48 "
                              "at 10 frames per second, rate factor 30 (libsvtav1: "));
  EXPECT_THAT(text, HasSubstr("; AV1 needs sides of at least 64 pixels"));
  EXPECT_THAT(text, ::testing::Not(HasSubstr("libavcodec-extra")));
}

TEST_F(Video, AFullDiskIsAnErrorAndLeavesNoFile) {
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  const rlimit small{.rlim_cur = 20000, .rlim_max = old.rlim_max};
  std::signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  std::string text;
  {
    VideoWriter writer(folder_ / "a.mp4", {.height = 256, .width = 256}, 10.0);
    text = error_of([&] {
      at::manual_seed(0);
      const at::Tensor noise = at::randint(0, 256, {20, 256, 256, 3}, at::kByte);
      for (std::int64_t i = 0; i < 20; ++i) writer.add(noise[i]);
      writer.close();
    });
  }
  setrlimit(RLIMIT_FSIZE, &old);
  EXPECT_THAT(text, HasSubstr("File too large"));
  EXPECT_THAT(text, HasSubstr("size limit of this process (ulimit -f)"));
  EXPECT_EQ(num_entries(), 0);
}

}  // namespace
}  // namespace roboimi
