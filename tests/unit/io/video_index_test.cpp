// The index of a video's frames, from packets that no encoder writes.
#include "roboimi/io/video_index.h"

#include <gtest/gtest.h>

#include <utility>

namespace roboimi {
namespace {

VideoPacket packet(std::int64_t pts, bool is_keyframe) {
  return {.pts = pts, .is_keyframe = is_keyframe};
}

std::vector<std::int64_t> starts_of(const VideoIndex& index) {
  std::vector<std::int64_t> starts;
  for (std::int64_t i = 0; i < index.num_packets(); ++i) starts.push_back(index.start_of(i));
  return starts;
}

TEST(VideoIndex, StartsAtTheLastKeyframeBeforeAPacketInBothOrders) {
  VideoIndex index({packet(1, false), packet(2, true), packet(10, true), packet(5, true),
                    packet(7, false), packet(4, false), packet(12, false), packet(0, false)},
                   {}, "a.mp4");
  EXPECT_EQ(starts_of(index), (std::vector<std::int64_t>{1, 1, 2, 3, 3, 1, 3, 1}));
  index.unmark_keyframe(3);
  EXPECT_EQ(starts_of(index), (std::vector<std::int64_t>{1, 1, 2, 1, 1, 1, 2, 1}));
}

TEST(VideoIndex, StartsAtTheFirstPacketWithoutKeyframes) {
  const VideoIndex index({packet(3, false), packet(1, false)}, {}, "a.mp4");
  EXPECT_EQ(starts_of(index), (std::vector<std::int64_t>{0, 0}));
}

// A search from each packet to its start would take minutes.
TEST(VideoIndex, FindsTheStartOfManyPacketsBehindManyKeyframes) {
  constexpr std::int64_t kCount = 300'000;
  std::vector<VideoPacket> packets = {packet(0, true)};
  for (std::int64_t i = 0; i < kCount; ++i) packets.push_back(packet(2 * kCount + i, true));
  for (std::int64_t i = 1; i < kCount; ++i) packets.push_back(packet(i, false));
  const VideoIndex index(std::move(packets), {}, "a.mp4");
  std::int64_t num_at_first = 0;
  for (const std::int64_t start : starts_of(index)) num_at_first += start == 0;
  EXPECT_EQ(num_at_first, kCount);
}

}  // namespace
}  // namespace roboimi
