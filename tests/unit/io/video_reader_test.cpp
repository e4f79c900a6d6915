// Which frame the reader returns for which index and time, for every kind of stream.
#include "roboimi/io/video_reader.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <numeric>
#include <random>
#include <thread>

#include "roboimi/common/files.h"
#include "roboimi/io/video.h"
#include "tests/unit/io/io_test_support.h"
#include "tests/unit/io/test_video.h"

namespace roboimi {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAreArray;
using ::testing::Pointwise;

class VideoReaderTest : public InFolder {
 protected:
  std::filesystem::path made(const VideoRecipe& recipe, const std::string& name = "a.mp4") {
    encode_video(folder_ / name, recipe);
    return folder_ / name;
  }
};

std::vector<int> numbers(const at::Tensor& frames) {
  std::vector<int> result;
  for (std::int64_t i = 0; i < frames.size(0); ++i) result.push_back(shown_number(frames[i]));
  return result;
}

std::vector<int> range(int first, int count) {
  std::vector<int> result(static_cast<std::size_t>(count));
  std::iota(result.begin(), result.end(), first);
  return result;
}

// Every frame in random order, and random ranges, equal the sequential decoding.
void expect_random_access(const std::filesystem::path& file, int threads = 1) {
  VideoReader sequential(file), random(file, threads);
  const std::int64_t count = sequential.num_frames();
  const at::Tensor all = sequential.read(0, count);
  std::mt19937 generator(7);
  std::vector<int> order = range(0, static_cast<int>(count));
  std::shuffle(order.begin(), order.end(), generator);
  for (const int i : order) EXPECT_TRUE(at::equal(random.read(i, 1)[0], all[i])) << "frame " << i;
  for (int i = 0; i < 10; ++i) {
    const std::int64_t first = generator() % count;
    const std::int64_t length = 1 + generator() % (count - first);
    EXPECT_TRUE(at::equal(random.read(first, length), all.slice(0, first, first + length)))
        << "frames " << first << " + " << length;
  }
}

TEST_F(VideoReaderTest, ReturnsEveryFrameAtItsTime) {
  VideoReader video(made({.options = {{"g", "2"}}, .num_frames = 40}));
  EXPECT_EQ(video.size(), (ImageSize{.height = 48, .width = 64}));
  EXPECT_EQ(video.codec(), "h264");
  ASSERT_EQ(video.num_frames(), 40);
  EXPECT_THAT(numbers(video.read(0, 40)), ElementsAreArray(range(0, 40)));
  EXPECT_DOUBLE_EQ(video.offset(), 0.0);
  EXPECT_DOUBLE_EQ(video.times()[39], 39 * 0.04);
  EXPECT_DOUBLE_EQ(video.duration(), 1.6);
  EXPECT_EQ(video.read(40, 0).sizes(), (c10::IntArrayRef{0, 48, 64, 3}));
}

// Bytes that this process has read from files.
std::uint64_t bytes_read() {
  std::ifstream in("/proc/self/io");
  std::string name;
  std::uint64_t value = 0;
  while (in >> name >> value && name != "rchar:") {
  }
  return value;
}

TEST_F(VideoReaderTest, OpensAFileWithoutReadingItsFrames) {
  for (const char* place : {"0", "faststart"}) {
    const auto file = made({.encoder = "rawvideo",
                            .pixel_format = "rgb24",
                            .options = {},
                            .container = {{"movflags", place}},
                            .num_frames = 40,
                            .height = 120,
                            .width = 160},
                           "a.mov");
    const std::uint64_t before = bytes_read();
    VideoReader video(file);
    EXPECT_LT(bytes_read() - before, std::filesystem::file_size(file) / 10);
    EXPECT_EQ(video.num_frames(), 40);
    EXPECT_EQ(shown_number(video.read(39, 1)[0]), 39);
  }
}

// Every fragment has an index in front of its frames.
TEST_F(VideoReaderTest, OpensAFragmentedFileByTheIndexesOfItsFragments) {
  constexpr int kFrames = 100;
  const VideoRecipe recipe{.encoder = "rawvideo",
                           .pixel_format = "rgb24",
                           .options = {},
                           .container = {{"movflags", "frag_every_frame+empty_moov"}},
                           .num_frames = kFrames,
                           .height = 60,
                           .width = 80};
  const auto file = made(recipe, "a.mov");
  const std::uint64_t before = bytes_read();
  VideoReader video(file);
  EXPECT_LT(bytes_read() - before, kFrames * 1000);
  ASSERT_EQ(video.num_frames(), kFrames);
  EXPECT_THAT(numbers(video.read(0, kFrames)), ElementsAreArray(range(0, kFrames)));
  EXPECT_THAT(numbers(video.read(70, 5)), ElementsAreArray(range(70, 5)));
  EXPECT_EQ(shown_number(video.read(3, 1)[0]), 3);
}

TEST_F(VideoReaderTest, FindsTheNearestFrame) {
  const VideoReader video(made({.num_frames = 10}));
  EXPECT_EQ(video.frame_at(-1.0), 0);
  EXPECT_EQ(video.frame_at(0.019), 0);
  EXPECT_EQ(video.frame_at(0.021), 1);
  EXPECT_EQ(video.frame_at(0.12), 3);
  EXPECT_EQ(video.frame_at(0.359), 9);
  EXPECT_EQ(video.frame_at(100.0), 9);
}

// Case 16: the keyframe of an episode's first frame is in the episode before.
TEST_F(VideoReaderTest, FramesFarFromTheirKeyframeEqualSequentialDecoding) {
  const auto file =
      made({.options = {{"g", "250"}, {"sc_threshold", "0"}, {"bf", "0"}}, .num_frames = 120});
  VideoReader video(file);
  EXPECT_EQ(shown_number(video.read(40, 1)[0]), 40);
  EXPECT_EQ(shown_number(video.read(39, 1)[0]), 39);
  expect_random_access(file);
}

// Case 17: the display order is not the order of the packets, and the clock does not start at 0.
TEST_F(VideoReaderTest, RowKIsTheKthDisplayedFrameInAllContainers) {
  const VideoRecipe plain{.options = {{"g", "12"}, {"bf", "2"}}};
  for (const auto& [container, offset] : std::vector<std::pair<FfmpegOptions, double>>{
           {{}, 0.0},
           {{{"output_ts_offset", "0.1"}}, 0.1},
           {{{"use_editlist", "0"}}, 0.08},
           {{{"use_editlist", "0"}, {"output_ts_offset", "0.1"}}, 0.08},
           {{{"movflags", "frag_keyframe+empty_moov"}}, 0.08}}) {
    VideoRecipe recipe = plain;
    recipe.container = container;
    VideoReader video(made(recipe));
    SCOPED_TRACE(container.empty() ? "plain" : container.begin()->first);
    EXPECT_THAT(numbers(video.read(0, 60)), ElementsAreArray(range(0, 60)));
    EXPECT_EQ(video.times()[0], 0.0);
    EXPECT_NEAR(video.times()[59], 59 * 0.04, 1e-9);
    EXPECT_NEAR(video.offset(), offset, 1e-9);
    expect_random_access(folder_ / "a.mp4");
  }
}

TEST_F(VideoReaderTest, RandomAccessEqualsSequentialDecodingForEveryStructure) {
  struct Case {
    const char *name, *encoder;
    FfmpegOptions options;
  };
  for (const Case& one : std::vector<Case>{
           {"pyramid.mp4",
            "libx264",
            {{"g", "24"}, {"x264-params", "bframes=8:b-adapt=0:b-pyramid=normal"}}},
           {"open.mp4",
            "libx264",
            {{"g", "12"}, {"x264-params", "open-gop=1:bframes=3:b-adapt=0"}}},
           {"refresh.mp4", "libx264", {{"g", "20"}, {"x264-params", "intra-refresh=1"}}},
           {"hevc.mp4",
            "libx265",
            {{"x265-params", "log-level=0:keyint=16:min-keyint=16:open-gop=0"}}},
           {"hevc_open.mp4",
            "libx265",
            {{"x265-params", "log-level=0:keyint=16:min-keyint=16:open-gop=1:bframes=4"}}},
           {"mpeg4.mp4", "mpeg4", {{"g", "10"}, {"bf", "2"}}},
           {"vp9.webm", "libvpx-vp9", {{"g", "20"}, {"deadline", "realtime"}}},
           {"h264.mkv", "libx264", {{"g", "12"}, {"bf", "2"}}},
           {"ffv1.mkv", "ffv1", {{"g", "1"}}}}) {
    SCOPED_TRACE(one.name);
    const auto file =
        made({.encoder = one.encoder, .options = one.options, .num_frames = 50}, one.name);
    VideoReader video(file);
    EXPECT_THAT(numbers(video.read(0, video.num_frames())), ElementsAreArray(range(0, 50)));
    expect_random_access(file);
  }
}

TEST_F(VideoReaderTest, SeveralDecoderThreadsReturnTheSameFrames) {
  expect_random_access(made({.options = {{"g", "12"}, {"bf", "2"}}}), 4);
}

TEST_F(VideoReaderTest, CallsFromSeveralThreadsWaitForEachOther) {
  VideoReader video(made({.options = {{"g", "12"}, {"bf", "2"}}}));
  std::vector<std::thread> threads;
  std::array<int, 4> num_wrong{};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 30; ++i) {
        const int frame = (i * 17 + t * 13) % 60;
        if (shown_number(video.read(frame, 1)[0]) != frame) ++num_wrong[std::size_t(t)];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(num_wrong, (std::array<int, 4>{}));
}

// As LeRobot joins the videos of its episodes.
TEST_F(VideoReaderTest, JoinedFilesKeepEveryFrame) {
  const auto a = made({.options = {{"g", "12"}, {"bf", "2"}}, .num_frames = 20}, "a.mp4");
  const auto b = made({.options = {{"g", "250"}, {"bf", "3"}}, .num_frames = 30}, "b.mp4");
  for (const char* name : {"joined.mp4", "joined.mkv"}) {
    SCOPED_TRACE(name);
    copy_packets(folder_ / name, {.sources = {a, b, a}});
    std::vector<int> expected = range(0, 20);
    for (const int i : range(0, 30)) expected.push_back(i);
    for (const int i : range(0, 20)) expected.push_back(i);
    VideoReader video(folder_ / name);
    EXPECT_THAT(numbers(video.read(0, video.num_frames())), ElementsAreArray(expected));
    expect_random_access(folder_ / name);
  }
}

// Two frames share each time stamp at the joint; none is lost, and none replaces another.
TEST_F(VideoReaderTest, OverlappingTimeStampsAtAJointLoseNoFrame) {
  const auto a = made({.options = {{"g", "10"}, {"bf", "2"}}, .num_frames = 20}, "a.mkv");
  copy_packets(folder_ / "joined.mkv", {.sources = {a, a}, .overlap = 80});
  VideoReader video(folder_ / "joined.mkv");
  ASSERT_EQ(video.num_frames(), 40);
  std::vector<int> expected = range(0, 18);
  for (const int i : {18, 0, 19, 1}) expected.push_back(i);
  for (const int i : range(2, 18)) expected.push_back(i);
  EXPECT_THAT(numbers(video.read(0, 40)), ElementsAreArray(expected));
  EXPECT_TRUE(std::is_sorted(video.times().begin(), video.times().end()));
  expect_random_access(folder_ / "joined.mkv");
}

// ffmpeg -ss ... -c copy: packets before the start stay in the file, and an edit list hides them.
TEST_F(VideoReaderTest, FramesThatAnEditListCutsOffAreNotShown) {
  const auto whole = made({.options = {{"g", "30"}, {"bf", "2"}}, .num_frames = 60});
  copy_packets(folder_ / "cut.mp4",
               {.sources = {whole},
                .container = {{"output_ts_offset", "-0.4"}, {"avoid_negative_ts", "disabled"}}});
  VideoReader video(folder_ / "cut.mp4");
  EXPECT_THAT(numbers(video.read(0, video.num_frames())), ElementsAreArray(range(10, 50)));
  EXPECT_EQ(shown_number(video.read(5, 1)[0]), 15);
  expect_random_access(folder_ / "cut.mp4");
}

TEST_F(VideoReaderTest, FramesBeforeTheFirstKeyframeAreNotShown) {
  const auto closed = made({.options = {{"g", "12"}, {"bf", "0"}}}, "closed.mp4");
  copy_packets(folder_ / "cut.mp4", {.sources = {closed}, .skip = 5});
  VideoReader video(folder_ / "cut.mp4");
  EXPECT_THAT(numbers(video.read(0, video.num_frames())), ElementsAreArray(range(12, 48)));
  EXPECT_DOUBLE_EQ(video.times()[0], 0.0);
  // An open group of pictures: frames shown before the first keyframe refer to packets cut off.
  const auto open = made(
      {.options = {{"g", "12"}, {"x264-params", "open-gop=1:bframes=3:b-adapt=0"}}}, "open.mkv");
  const std::vector<PacketPlace> packets = packets_of(open);
  int second = 1;
  while (!packets.at(std::size_t(second)).is_keyframe) ++second;
  copy_packets(folder_ / "cut.mkv", {.sources = {open}, .skip = second});
  VideoReader later(folder_ / "cut.mkv");
  const int first = shown_number(later.read(0, 1)[0]);
  EXPECT_GE(first, 12 - 3);
  EXPECT_THAT(numbers(later.read(0, later.num_frames())),
              ElementsAreArray(range(first, 60 - first)));
  expect_random_access(folder_ / "cut.mkv");
}

// A file without a table of keyframes calls every packet one.
TEST_F(VideoReaderTest, FalseKeyframesDoNotChangeFrames) {
  for (const char* encoder : {"libx264", "libx265"}) {
    SCOPED_TRACE(encoder);
    FfmpegOptions options = {{"g", "20"}};
    if (std::string(encoder) == "libx265") options = {{"x265-params", "log-level=0:keyint=20"}};
    const auto file = made({.encoder = encoder, .options = options});
    std::string bytes = read_text(file);
    const std::size_t table = bytes.find("stss");
    ASSERT_NE(table, std::string::npos);
    write_quickly(folder_ / "b.mp4", bytes.replace(table, 4, "free"));
    ASSERT_TRUE(packets_of(folder_ / "b.mp4").at(5).is_keyframe);
    VideoReader original(file), changed(folder_ / "b.mp4");
    for (const int i : {33, 5, 59, 20, 19, 0, 47}) {
      EXPECT_TRUE(at::equal(changed.read(i, 1), original.read(i, 1))) << "frame " << i;
    }
  }
}

TEST_F(VideoReaderTest, AVariableFrameRateKeepsItsTimes) {
  const std::vector<std::int64_t> times = {0, 20, 60, 61, 200, 1000, 1010, 1300};
  VideoReader video(made({.num_frames = 8, .times = times}));
  std::vector<double> expected;
  for (const std::int64_t time : times) expected.push_back(static_cast<double>(time) / 1000);
  EXPECT_THAT(video.times(), Pointwise(DoubleNear(1e-4), expected));
  EXPECT_THAT(numbers(video.read(0, 8)), ElementsAreArray(range(0, 8)));
  EXPECT_EQ(video.frame_at(0.0601), 2);
  EXPECT_EQ(video.frame_at(0.7), 5);
}

TEST_F(VideoReaderTest, ReadsWhatTheWriterWrote) {
  for (const VideoEncoding& encoding : {VideoEncoding{}, kRandomAccessH264, kRandomAccessAv1}) {
    VideoWriter writer(folder_ / "a.mp4", {.height = 64, .width = 96}, 50.0, encoding);
    for (int i = 0; i < 30; ++i) writer.add(numbered_frame(i, 64, 96));
    writer.close();
    VideoReader video(folder_ / "a.mp4");
    EXPECT_THAT(numbers(video.read(0, video.num_frames())), ElementsAreArray(range(0, 30)));
    EXPECT_DOUBLE_EQ(video.times()[29], 0.58);
    if (encoding.keyframe_interval != 2) continue;
    const std::vector<PacketPlace> packets = packets_of(folder_ / "a.mp4");
    for (std::size_t i = 0; i < packets.size(); ++i) EXPECT_EQ(packets[i].is_keyframe, i % 2 == 0);
  }
  EXPECT_EQ(VideoReader(folder_ / "a.mp4").codec(), "av1");
}

TEST_F(VideoReaderTest, LosslessVideosKeepEveryPixel) {
  at::manual_seed(3);
  const at::Tensor noise = at::randint(0, 256, {12, 33, 47, 3}, at::kByte);
  VideoWriter writer(folder_ / "a.mp4", {.height = 33, .width = 47}, 30.0,
                     {.codec = VideoEncoding::Codec::kLossless, .keyframe_interval = 4});
  for (int i = 0; i < 12; ++i) writer.add(noise[i]);
  writer.close();
  EXPECT_TRUE(at::equal(VideoReader(folder_ / "a.mp4").read(0, 12), noise));
}

TEST_F(VideoReaderTest, AFolderWithAColonIsNoProtocol) {
  const std::filesystem::path old = std::filesystem::current_path();
  std::filesystem::current_path(folder_);
  std::filesystem::create_directories("run:1");
  VideoWriter writer("run:1/a.mp4", {.height = 48, .width = 64}, 25.0);
  writer.add(numbered_frame(3, 48, 64));
  writer.close();
  EXPECT_EQ(shown_number(VideoReader("run:1/a.mp4").read(0, 1)[0]), 3);
  std::filesystem::current_path(old);
}

}  // namespace
}  // namespace roboimi
