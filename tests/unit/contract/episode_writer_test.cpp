// Tests of EpisodeRecord: images in memory and images that are read on demand.
#include "roboimi/contract/episode_writer.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/error_text.h"

namespace roboimi {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const StreamSpec kFront = rgb_stream("front", {2, 3});

at::Tensor numbered_frames() {
  return at::arange(5, at::kByte).view({5, 1, 1, 1}).expand({5, 2, 3, 3}).contiguous();
}

TEST(EpisodeRecords, ReturnRowsOfImagesInMemoryAndOnDemand) {
  const at::Tensor frames = numbered_frames();
  EpisodeRecord in_memory{.streams = {kFront}, .observations = {{"front", frames}}};
  EXPECT_TRUE(at::equal(in_memory.images(kFront, 1, 3), frames.slice(0, 1, 4)));
  EpisodeRecord on_demand{.streams = {kFront}};
  on_demand.read_images = [&](const StreamSpec& stream, std::int64_t first, std::int64_t count) {
    EXPECT_EQ(stream.name, "front");
    return frames.slice(0, first, first + count);
  };
  EXPECT_TRUE(at::equal(on_demand.images(kFront, 1, 3), frames.slice(0, 1, 4)));
}

TEST(EpisodeRecords, NameImagesThatAreMissingOrHaveAnotherShape) {
  EpisodeRecord record{.streams = {kFront}};
  EXPECT_THAT(error_text([&] { record.images(kFront, 2, 2); }),
              AllOf(HasSubstr("rows 2 to 3"), HasSubstr("the images of 'front'"),
                    HasSubstr("expected Byte [2, 2, 3, 3]; found nothing")));
  record.observations["front"] = numbered_frames();
  EXPECT_THAT(error_text([&] { record.images(kFront, 4, 2); }),
              HasSubstr("expected Byte [2, 2, 3, 3]; found Byte [1, 2, 3, 3]"));
  record.observations.clear();
  record.read_images = [](const StreamSpec&, std::int64_t, std::int64_t count) {
    return at::zeros({count, 2, 3, 3});
  };
  EXPECT_THAT(error_text([&] { record.images(kFront, 0, 2); }), HasSubstr("found Float [2, 2"));
}

}  // namespace
}  // namespace roboimi
