// A dataset that lerobot 0.6.1 wrote; see tests/golden/lerobot/expected.py.
#include <ATen/ATen.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "roboimi/common/files.h"
#include "tests/plugins/lerobot_dataset/set_test.h"

namespace roboimi::lerobot_dataset {
namespace {

constexpr char kGolden[] = ROBOIMI_SOURCE_DIR "/tests/golden/lerobot/";

// Conversions from YUV to RGB differ by rounding between versions of FFmpeg.
constexpr int kPixelTolerance = 1;

TEST(GoldenSet, IsReadAsPyarrowAndPyAvDo) {
  const auto expected = nlohmann::json::parse(read_text(std::string(kGolden) + "expected.json"));
  const LerobotDataset dataset =
      open_set(std::string(kGolden) + "set", {.camera_names = {"front"}});
  ASSERT_EQ(dataset.num_episodes(), 3);
  EXPECT_THAT(dataset.findings().warnings(), ::testing::IsEmpty());
  EXPECT_EQ(dataset.spec().at("state").element_names.back(), "j13");
  for (std::int64_t i = 0; i < 3; ++i) {
    const auto& episode = expected["episodes"][static_cast<std::size_t>(i)];
    const auto numbers = [&](const char* key) {
      return at::tensor(episode[key].get<std::vector<float>>());
    };
    ASSERT_EQ(dataset.episode(i).length, episode["length"]);
    EXPECT_TRUE(at::equal(dataset.state(i)[7], numbers("state_row_7")));
    EXPECT_TRUE(at::equal(dataset.actions(i)[-1], numbers("last_action")));
    EXPECT_EQ(text_of(dataset.read(i, "task", 20, 1)[0]), episode["task"]);

    // A few pixels of every frame.
    const at::Tensor frames = dataset.read_all(i, "front");
    for (std::int64_t t = 0; t < frames.size(0); ++t) {
      for (std::size_t p = 0; p < expected["points"].size(); ++p) {
        const auto& point = expected["points"][p];
        for (std::int64_t c = 0; c < 3; ++c) {
          const int found = frames[t][point[0].get<std::int64_t>()][point[1].get<std::int64_t>()][c]
                                .item<std::uint8_t>();
          const int wanted =
              episode["pixels"][static_cast<std::size_t>(t)][p][static_cast<std::size_t>(c)];
          ASSERT_LE(std::abs(found - wanted), kPixelTolerance)
              << "episode " << i << ", frame " << t << ", point " << p;
        }
      }
    }
  }
}

}  // namespace
}  // namespace roboimi::lerobot_dataset
