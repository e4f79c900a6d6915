#include "plugins/lerobot_dataset/path_template.h"

#include <gmock/gmock.h>

#include "tests/error_text.h"

namespace roboimi::lerobot_dataset {
namespace {

using ::testing::HasSubstr;

TEST(PathTemplate, FormatsAndMatchesLerobotsPaths) {
  const PathTemplate videos("videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4");
  const std::string path = videos.format({.numbers = {{"chunk_index", 1}, {"file_index", 1234}},
                                          .video_key = "observation.images.top"});
  EXPECT_EQ(path, "videos/observation.images.top/chunk-001/file-1234.mp4");
  const auto fields = videos.match(path);
  ASSERT_TRUE(fields.has_value());
  EXPECT_EQ(fields->video_key, "observation.images.top");
  EXPECT_EQ(fields->numbers.at("chunk_index"), 1);
  EXPECT_EQ(fields->numbers.at("file_index"), 1234);
  EXPECT_EQ(videos.first_folder(), "videos");
}

TEST(PathTemplate, OtherPathsDoNotMatch) {
  const PathTemplate data("data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet");
  EXPECT_TRUE(data.match("data/chunk-000/episode_000012.parquet").has_value());
  for (const char* path :
       {"data/chunk-000/episode_000012 (1).parquet", "data/chunk-000/episode_.parquet",
        "data/chunk-a/episode_000012.parquet", "old/data/chunk-000/episode_000012.parquet",
        "data/chunk-000/episode_99999999999999999999.parquet", ""}) {
    EXPECT_FALSE(data.match(path).has_value()) << path;
  }
}

TEST(PathTemplate, RefusesWhatItCannotFill) {
  EXPECT_THAT(error_text([] { PathTemplate("data/{chunk_index"); }), HasSubstr("open brace"));
  EXPECT_THAT(error_text([] { PathTemplate("data/{episode_index}.parquet").format({}); }),
              HasSubstr("needs the field 'episode_index'"));
  EXPECT_THAT(error_text([] { PathTemplate("v/{video_key}").format({.video_key = "../x"}); }),
              HasSubstr("leaves the folder"));
  EXPECT_THAT(error_text([] { PathTemplate("{video_key}").format({.video_key = "/x"}); }),
              HasSubstr("leaves the folder"));
}

}  // namespace
}  // namespace roboimi::lerobot_dataset
