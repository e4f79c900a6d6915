#include "roboimi/rollout/open_loop_image.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "roboimi/io/image.h"
#include "tests/error_text.h"
#include "tests/unit/data/table_dataset.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;

// Number of pixels that are closer to `color` than 60 in every channel.
std::int64_t count_pixels(const at::Tensor& image, const std::array<int, 3>& color) {
  const at::Tensor wanted = at::tensor({color[0], color[1], color[2]}, at::kInt);
  return (image.to(at::kInt) - wanted).abs().lt(60).all(2).sum().item<std::int64_t>();
}

TEST(OpenLoopImage, ShowsBothCurvesOfEveryDimension) {
  const at::Tensor time = at::linspace(0, 6, 50);
  const at::Tensor recorded = at::stack({time.sin(), time.cos(), at::zeros_like(time)}, 1);
  const at::Tensor apart =
      open_loop_image({.title = "episode 0", .commanded = -recorded, .recorded = recorded});
  EXPECT_EQ(apart.dim(), 3);
  const std::array<int, 3> orange{222, 98, 0}, blue{96, 125, 160};
  EXPECT_GT(count_pixels(apart, orange), 300);
  EXPECT_GT(count_pixels(apart, blue), 300);
  // A command on the recorded curve covers most of it.
  const at::Tensor same =
      open_loop_image({.title = "episode 0", .commanded = recorded, .recorded = recorded});
  EXPECT_LT(count_pixels(same, blue), count_pixels(apart, blue));
  // More dimensions need more space.
  const at::Tensor wide = at::zeros({5, 14});
  const at::Tensor larger =
      open_loop_image({.title = "", .commanded = wide, .recorded = wide, .control_hz = 50.0});
  EXPECT_GT(larger.numel(), apart.numel());
}

TEST(OpenLoopImage, LabelsTheEndsOfTheTimeAxisBelowEachColumn) {
  // 9 dimensions: a column of 5 panels and one of 4.
  const at::Tensor rows = at::zeros({40, 9});
  const at::Tensor image =
      open_loop_image({.title = "", .commanded = rows, .recorded = rows, .control_hz = 20.0});
  const auto inked = [&](std::int64_t x, std::int64_t y) {
    const at::Tensor label = image.slice(0, y - 10, y + 3).slice(1, x, x + 30);
    return label.lt(200).any().item<bool>();
  };
  for (const auto& [column, panels] : {std::pair(0, 5), std::pair(1, 4)}) {
    const std::int64_t below = 58 + panels * 110 + 2;
    EXPECT_TRUE(inked(column * 460 + 58, below)) << column;
    EXPECT_TRUE(inked(column * 460 + 418, below)) << column;
    EXPECT_FALSE(inked(column * 460 + 230, below)) << column;
  }
}

TEST(OpenLoopImage, NeedsCurvesOfOneSize) {
  EXPECT_THAT(error_text([] {
                open_loop_image({.commanded = at::zeros({3, 2}), .recorded = at::zeros({4, 2})});
              }),
              HasSubstr("different sizes"));
}

TEST(OpenLoopImage, IsWrittenForEveryEpisode) {
  const ScratchFolder folder;
  const at::Tensor rows = at::arange(6, at::kFloat).view({6, 1});
  OpenLoopError error;
  for (const std::int64_t index : {2, 31}) {
    error.episodes.push_back({.index = index,
                              .num_steps = 6,
                              .mean_square = at::ones({1}, at::kDouble),
                              .commanded = rows + 1,
                              .recorded = rows});
  }
  write_open_loop_images(
      folder / "images", error, {.min = {0.0}, .max = {5.0}},
      {.streams = {vector_stream(kState, 1, "rad", {"wrist"})}, .action_dim = 1});
  EXPECT_EQ(read_png(folder / "images/open_loop_002.png").size(2), 3);
  EXPECT_TRUE(std::filesystem::exists(folder / "images/open_loop_031.png"));
}

}  // namespace
}  // namespace roboimi
