// Files that the reader must refuse, with the reason, and damage that it must survive.
#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <random>

#include "roboimi/common/files.h"
#include "roboimi/io/video_reader.h"
#include "tests/unit/io/io_test_support.h"
#include "tests/unit/io/test_video.h"

namespace roboimi {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class VideoReaderErrors : public InFolder {
 protected:
  std::filesystem::path made(const VideoRecipe& recipe, const std::string& name = "a.mp4") {
    encode_video(folder_ / name, recipe);
    return folder_ / name;
  }
  std::filesystem::path written(const std::string& bytes, const std::string& name = "b.mp4") {
    write_quickly(folder_ / name, bytes);
    return folder_ / name;
  }
};

std::string error_of_opening(const std::filesystem::path& file) {
  return error_of([&] { VideoReader reader(file); });
}

// Opens a file and reads all frames that it has. Returns the error, if any.
std::string error_of_reading(const std::filesystem::path& file) {
  return error_of([&] {
    VideoReader video(file);
    video.read(0, video.num_frames());
    video.read(video.num_frames() / 2, 1);
  });
}

TEST_F(VideoReaderErrors, WhatIsNoVideoIsNamed) {
  EXPECT_THAT(error_of_opening(folder_ / "none.mp4"),
              AllOf(HasSubstr("none.mp4: cannot open the video"), HasSubstr("No such file")));
  EXPECT_THAT(error_of_opening(written("")), HasSubstr("an empty file of 0 bytes"));
  EXPECT_THAT(error_of_opening(written("hello world, this is a text")),
              AllOf(HasSubstr("cannot open the video: expected an MP4, MOV or Matroska video"),
                    HasSubstr("FFmpeg")));
  EXPECT_THAT(error_of_opening(folder_), HasSubstr("cannot open the video"));
}

// Case 7.
TEST_F(VideoReaderErrors, AGitLfsPointerIsNamed) {
  const std::string pointer =
      "version https://git-lfs.github.com/spec/v1\noid sha256:" + std::string(64, '0') +
      "\nsize 1000\n";
  EXPECT_THAT(error_of_opening(written(pointer)),
              AllOf(HasSubstr("a Git LFS pointer instead of the data"), HasSubstr("git lfs pull")));
}

// FFmpeg would otherwise open the files and addresses that a playlist names.
TEST_F(VideoReaderErrors, PlaylistsAreNotFollowed) {
  made({.num_frames = 5}, "c.mp4");
  EXPECT_THAT(error_of_opening(written("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n" +
                                       (folder_ / "c.mp4").string() + "\n#EXT-X-ENDLIST\n")),
              HasSubstr("cannot open the video"));
  EXPECT_THAT(error_of_opening(written("ffconcat version 1.0\nfile c.mp4\n")),
              HasSubstr("cannot open the video"));
}

TEST_F(VideoReaderErrors, ATruncatedFileIsRefusedAtEveryLength) {
  struct Case {
    const char* name;
    FfmpegOptions container;
  };
  for (const Case& one :
       {Case{"end.mp4", {}}, Case{"start.mp4", {{"movflags", "faststart"}}}, Case{"a.mkv", {}}}) {
    SCOPED_TRACE(one.name);
    const std::string whole =
        read_text(made({.container = one.container, .num_frames = 12}, one.name));
    for (std::size_t size = 0; size < whole.size(); size += 1 + size / 20) {
      EXPECT_NE(error_of_reading(written(whole.substr(0, size))), "") << size << " bytes";
    }
    EXPECT_THAT(error_of_reading(written(whole.substr(0, whole.size() - 1))),
                AllOf(HasSubstr("cut off (truncated file)"),
                      HasSubstr("found " + std::to_string(whole.size() - 1) + " bytes")));
    EXPECT_EQ(error_of_reading(written(whole)), "");
  }
}

TEST_F(VideoReaderErrors, ARecordingThatWasNotClosedIsNamed) {
  std::string bytes = read_text(made({.num_frames = 5}));
  const std::size_t index = bytes.find("moov") - 4;
  EXPECT_THAT(error_of_opening(written(bytes.substr(0, index))),
              AllOf(HasSubstr("the video has no index"), HasSubstr("was not closed")));
  // FFmpeg reads the first of several videos and skips the others.
  EXPECT_THAT(error_of_opening(written(bytes + bytes)),
              AllOf(HasSubstr("consists of several videos"), HasSubstr("found 2")));
}

// A packet costs memory even if it has one byte.
TEST_F(VideoReaderErrors, AnIndexOfTinyPacketsIsRefused) {
  std::string bytes = read_text(made({.encoder = "mpeg4", .options = {{"bf", "0"}}}));
  const std::uint32_t count = static_cast<std::uint32_t>(bytes.find("moov"));
  const auto put = [&](const char* box, std::size_t offset, std::uint32_t value) {
    const std::size_t place = bytes.find(box) + 4 + offset;
    for (std::size_t i = 0; i < 4; ++i) bytes[place + i] = static_cast<char>(value >> (24 - 8 * i));
  };
  put("stsz", 4, 1);  // bytes of every packet
  put("stsz", 8, count / 2);
  put("stts", 8, count / 2);   // packets of the same duration
  put("stsc", 12, count / 2);  // packets of a chunk
  EXPECT_THAT(error_of_opening(written(bytes)),
              AllOf(HasSubstr("the video's index lists too many packets"),
                    HasSubstr("packets or more"), HasSubstr("the file is damaged")));
}

TEST_F(VideoReaderErrors, ADamagedFrameIsNamedAndTheOthersAreRead) {
  for (const char* encoder : {"libx264", "mpeg4", "libx265"}) {
    SCOPED_TRACE(encoder);
    FfmpegOptions options = {{"g", "10"}, {"bf", "0"}};
    if (std::string(encoder) == "libx265") {
      options = {{"x265-params", "log-level=0:keyint=10:min-keyint=10:bframes=0:scenecut=0"}};
    }
    const auto file = made({.encoder = encoder, .options = options, .num_frames = 40});
    const std::vector<PacketPlace> packets = packets_of(file);
    ASSERT_TRUE(packets.at(10).is_keyframe && packets.at(20).is_keyframe);
    std::string bytes = read_text(file);
    const PacketPlace& damaged = packets.at(13);
    bytes.replace(static_cast<std::size_t>(damaged.position),
                  static_cast<std::size_t>(damaged.size),
                  std::string(static_cast<std::size_t>(damaged.size), '\xff'));
    for (const int threads : {1, 3}) {
      SCOPED_TRACE(threads);
      VideoReader original(file), video(written(bytes), threads);
      EXPECT_THAT(error_of([&] { video.read(0, 40); }),
                  AllOf(HasSubstr("b.mp4: frame 13 of the video cannot be decoded"),
                        HasSubstr("its data is damaged")));
      EXPECT_THAT(error_of([&] { video.read(15, 1); }),
                  AllOf(HasSubstr("frame 15"), HasSubstr("frame 13, on which it depends")));
      EXPECT_TRUE(at::equal(video.read(0, 13), original.read(0, 13)));
      EXPECT_TRUE(at::equal(video.read(20, 20), original.read(20, 20)));
    }
  }
}

TEST_F(VideoReaderErrors, DepthIsRefusedByName) {
  EXPECT_THAT(error_of_opening(made({.encoder = "ffv1", .pixel_format = "gray12le", .options = {}},
                                    "depth.mkv")),
              AllOf(HasSubstr("holds depth or other single values, not colors"),
                    HasSubstr("found gray12le"), HasSubstr("leave this camera out")));
  EXPECT_EQ(error_of_reading(
                made({.encoder = "ffv1", .pixel_format = "gray", .options = {}}, "infrared.mkv")),
            "");
}

TEST_F(VideoReaderErrors, ACodecWithoutADecoderIsNamed) {
  std::string bytes = read_text(made({.num_frames = 5}));
  bytes.replace(bytes.find("avc1", bytes.find("stsd")), 4, "zzzz");
  EXPECT_THAT(
      error_of_opening(written(bytes)),
      AllOf(HasSubstr("FFmpeg has no decoder for the codec of the video"), HasSubstr("zzzz")));
}

TEST_F(VideoReaderErrors, MissingPresentationTimesAreNamed) {
  EXPECT_THAT(error_of_opening(made({.encoder = "mpeg4", .options = {{"bf", "2"}}}, "a.avi")),
              HasSubstr("packet 0 of the video has no presentation time"));
  EXPECT_EQ(error_of_reading(
                made({.encoder = "mjpeg", .pixel_format = "yuvj420p", .options = {}}, "b.avi")),
            "");
}

TEST_F(VideoReaderErrors, AFrameOfAnotherSizeIsNamed) {
  const VideoRecipe small{
      .encoder = "mjpeg", .pixel_format = "yuvj420p", .options = {}, .num_frames = 4};
  VideoRecipe large = small;
  large.width = 96;
  const auto a = made(small, "a.mov"), b = made(large, "b.mov");
  copy_packets(folder_ / "c.mkv", {.sources = {a, b}});
  VideoReader video(folder_ / "c.mkv");
  EXPECT_EQ(video.read(0, 4).size(0), 4);
  EXPECT_THAT(error_of([&] { video.read(3, 2); }),
              AllOf(HasSubstr("frame 4 of the video has a different size"),
                    HasSubstr("expected 64x48 yuvj420p; found 96x48 yuvj420p")));
}

TEST_F(VideoReaderErrors, FramesOutOfRangeAreRefused) {
  VideoReader video(made({.num_frames = 10}));
  for (const auto& [first, count] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {-1, 2}, {9, 2}, {11, 0}, {0, -1}, {5, INT64_MAX}, {INT64_MAX, 1}}) {
    EXPECT_THAT(error_of([&, f = first, c = count] { video.read(f, c); }),
                AllOf(HasSubstr("the video has no such frames"),
                      HasSubstr("expected frames within 0 to 9")));
  }
}

TEST_F(VideoReaderErrors, AFileThatChangesWhileItIsReadIsNamed) {
  // Larger than FFmpeg's buffer.
  const auto file = made(
      {.encoder = "mjpeg", .pixel_format = "yuvj420p", .options = {}, .height = 480, .width = 640});
  VideoReader video(file);
  std::filesystem::resize_file(file, 2000);
  EXPECT_NE(error_of([&] { video.read(50, 5); }), "");
}

// Whatever a byte does, the result is an Error or frames of the stated size.
TEST_F(VideoReaderErrors, FlippedBytesNeverCrash) {
  std::mt19937 generator(1);
  int num_refused = 0;
  for (const char* name : {"a.mp4", "a.mkv"}) {
    const std::string whole =
        read_text(made({.options = {{"g", "6"}, {"bf", "2"}}, .num_frames = 12}, name));
    for (int i = 0; i < 150; ++i) {
      std::string bytes = whole;
      for (int flips = 1 << generator() % 4; flips > 0; --flips) {
        // Every second flip hits the index, at the end of the file.
        const std::size_t range =
            flips % 2 == 0 ? bytes.size() : std::min<std::size_t>(bytes.size(), 900);
        bytes[bytes.size() - 1 - generator() % range] = static_cast<char>(generator());
      }
      if (!error_of_reading(written(bytes)).empty()) ++num_refused;
    }
  }
  EXPECT_GT(num_refused, 30);
  EXPECT_LT(num_refused, 300);
}

}  // namespace
}  // namespace roboimi
