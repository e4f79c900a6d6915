// What rollouts draw: captions, video frames and trajectory images, checked pixel by pixel.
#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <limits>

#include "roboimi/rollout/caption.h"
#include "roboimi/rollout/film_frame.h"
#include "roboimi/rollout/fit.h"
#include "roboimi/rollout/trajectory_image.h"

namespace roboimi {
namespace {

using ::testing::ElementsAre;

std::int64_t count_of(const at::Tensor& image, Rgb color) {
  at::Tensor equal = at::ones({image.size(0), image.size(1)}, at::kBool);
  for (std::int64_t c = 0; c < 3; ++c) {
    equal = equal.logical_and(image.select(2, c) == color[static_cast<std::size_t>(c)]);
  }
  return equal.sum().item<std::int64_t>();
}

Rgb pixel(const at::Tensor& image, std::int64_t x, std::int64_t y) {
  return {image[y][x][0].item<std::uint8_t>(), image[y][x][1].item<std::uint8_t>(),
          image[y][x][2].item<std::uint8_t>()};
}

at::Tensor plain(std::int64_t height, std::int64_t width, int value) {
  return at::full({height, width, 3}, value, at::kByte);
}

const RolloutCaption kUnderway{.seed = 500,
                               .step = 12,
                               .max_steps = 200,
                               .reward = 2,
                               .highest_reward = 3,
                               .max_reward = 4,
                               .stage = "lifted"};

RolloutCaption ended(bool success) {
  RolloutCaption caption = kUnderway;
  caption.is_over = true;
  caption.success = success;
  return caption;
}

TEST(CaptionBar, HasTextAndNamesTheOutcomeOnceKnown) {
  const at::Tensor running = caption_bar(kUnderway, 640);
  EXPECT_EQ(running.sizes(), (c10::IntArrayRef{kCaptionHeight, 640, 3}));
  EXPECT_GT((running.slice(1, 0, 320).select(2, 0) > 200).sum().item<int>(), 200);
  EXPECT_EQ(count_of(running, kSuccessColor) + count_of(running, kFailureColor), 0);
  EXPECT_GT(count_of(caption_bar(ended(true), 640), kSuccessColor), 1500);
  EXPECT_GT(count_of(caption_bar(ended(false), 640), kFailureColor), 1500);
  RolloutCaption early = kUnderway;
  early.success = true;
  EXPECT_GT(count_of(caption_bar(early, 640), kSuccessColor), 1500) << "before the end";
}

TEST(CaptionBar, ChangesWithEveryQuantityAndFitsALongStage) {
  const auto differs = [](auto change) {
    RolloutCaption other = kUnderway;
    change(other);
    return !at::equal(caption_bar(other, 640), caption_bar(kUnderway, 640));
  };
  EXPECT_TRUE(differs([](RolloutCaption& c) { c.seed = 501; }));
  EXPECT_TRUE(differs([](RolloutCaption& c) { c.step = 13; }));
  EXPECT_TRUE(differs([](RolloutCaption& c) { c.reward = 1; }));
  EXPECT_TRUE(differs([](RolloutCaption& c) { c.stage = "held"; }));
  RolloutCaption longest = ended(false);
  longest.stage = std::string(200, 'w');
  const at::Tensor bar = caption_bar(longest, 640);
  EXPECT_EQ(count_of(bar, kFailureColor), count_of(caption_bar(ended(false), 640), kFailureColor))
      << "text runs over the outcome";
}

TEST(FilmFrame, ShowsEveryViewBesideTheOverviewAndTheCaptionBelow) {
  const NamedImages views = {
      {"front", plain(128, 128, 40)}, {"top", plain(96, 128, 90)}, {"wrist", plain(64, 64, 140)}};
  const ImageSize size = film_frame_size({{128, 128}, {96, 128}, {64, 64}});
  const at::Tensor frame =
      film_frame(plain(kFilmSize.height, kFilmSize.width, 200), views, kUnderway);
  ASSERT_EQ(frame.sizes(), (c10::IntArrayRef{size.height, size.width, 3}));
  EXPECT_EQ(size.height, kFilmSize.height + kCaptionHeight);
  EXPECT_GT(size.width, kFilmSize.width + 150);
  EXPECT_EQ(pixel(frame, 1, 1), (Rgb{200, 200, 200}));
  const std::int64_t middle = (kFilmSize.width + size.width) / 2;
  EXPECT_EQ(pixel(frame, middle, 80), (Rgb{40, 40, 40}));
  EXPECT_EQ(pixel(frame, middle, 240), (Rgb{90, 90, 90}));
  EXPECT_EQ(pixel(frame, middle, 400), (Rgb{140, 140, 140}));
  EXPECT_TRUE(at::equal(frame.slice(0, kFilmSize.height), caption_bar(kUnderway, size.width)));
  EXPECT_EQ(film_frame_size({}).width, kFilmSize.width);
}

TEST(FilmFrame, HasABorderInTheColorOfTheOutcome) {
  const at::Tensor overview = plain(kFilmSize.height, kFilmSize.width, 200);
  EXPECT_EQ(pixel(film_frame(overview, {}, ended(false)), 2, 240), kFailureColor);
  EXPECT_EQ(pixel(film_frame(overview, {}, ended(true)), 637, 240), kSuccessColor);
  EXPECT_EQ(pixel(film_frame(overview, {}, ended(true)), 20, 240), (Rgb{200, 200, 200}));
}

TEST(TrajectoryImage, MarksPathsByArmAndTimeWithStartEndAndGrasp) {
  // Two straight paths.
  ToolPath left{.name = "left", .points = {}, .grasps = {50}};
  ToolPath right{.name = "right", .points = {}, .grasps = {}};
  for (int i = 0; i <= 100; ++i) {
    left.points.push_back({100.0 + 3 * i, 100.0});
    right.points.push_back({100.0 + 3 * i, 300.0});
  }
  const at::Tensor image = trajectory_image(plain(480, 640, 100), {left, right}, ended(true));
  EXPECT_EQ(image.size(1), 640);
  EXPECT_GT(image.size(0), 480 + kCaptionHeight);
  for (const std::size_t arm : {0, 1}) {
    const std::int64_t y = arm == 0 ? 100 : 300;
    EXPECT_EQ(pixel(image, 100, y), (Rgb{255, 255, 255})) << "the hole of the start ring";
    EXPECT_EQ(pixel(image, 106, y), path_color(arm, 0.0)) << "the start ring";
    EXPECT_EQ(pixel(image, 400, y), path_color(arm, 1.0)) << "the end";
    EXPECT_EQ(pixel(image, 175, y), path_color(arm, 0.26)) << "a quarter of the way";
    EXPECT_NE(path_color(arm, 0.25), path_color(arm, 0.75));
  }
  EXPECT_EQ(pixel(image, 250, 100), kGraspColor);
  EXPECT_NE(pixel(image, 250, 300), kGraspColor);
  EXPECT_NE(path_color(0, 0.5), path_color(1, 0.5));
  EXPECT_EQ(pixel(image, 320, 200), (Rgb{146, 146, 146})) << "the faded background";
  EXPECT_TRUE(at::equal(image.slice(0, 480, 480 + kCaptionHeight), caption_bar(ended(true), 640)));
  EXPECT_GT(count_of(image.slice(0, 480 + kCaptionHeight), kGraspColor), 10) << "the legend";
}

TEST(TrajectoryImage, LeavesOutPointsThatAreNotVisible) {
  constexpr double kNowhere = std::numeric_limits<double>::quiet_NaN();
  const ToolPath path{
      .name = "arm", .points = {{kNowhere, kNowhere}, {300, 200}, {kNowhere, 0}}, .grasps = {0}};
  const at::Tensor image =
      trajectory_image(plain(480, 640, 100), {path}, ended(false)).slice(0, 0, 480);
  EXPECT_EQ(count_of(image, {255, 255, 255}), 0) << "a marker";
  EXPECT_EQ(count_of(image, kGraspColor), 0);
}

TEST(GraspStarts, IgnoreTouchesAndShortLossesOfContact) {
  const auto starts = [](const std::string& text) {
    std::vector<bool> holding;
    for (const char c : text) holding.push_back(c == 'x');
    return grasp_starts(holding);
  };
  EXPECT_THAT(starts(""), ElementsAre());
  EXPECT_THAT(starts("..xx...."), ElementsAre());
  EXPECT_THAT(starts("..xxx..."), ElementsAre(2));
  EXPECT_THAT(starts("..xxx....xxx"), ElementsAre(2));
  EXPECT_THAT(starts("..xxx.....xxxx"), ElementsAre(2, 10));
  EXPECT_THAT(starts("x.x.x"), ElementsAre(0));
}

TEST(ShortNames, DropTheEndingThatAllShare) {
  EXPECT_THAT(short_names({"left_link7", "right_link7"}), ElementsAre("left", "right"));
  EXPECT_THAT(short_names({"left", "right"}), ElementsAre("left", "right"));
  EXPECT_THAT(short_names({"tool_a", "tool_b"}), ElementsAre("tool_a", "tool_b"));
  EXPECT_THAT(short_names({"tip_1"}), ElementsAre("tip_1"));
  EXPECT_THAT(short_names({"_tip", "a_tip"}), ElementsAre("_tip", "a_tip"));
}

}  // namespace
}  // namespace roboimi
