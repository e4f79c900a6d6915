// The files of a rollout in the simulator: where the tools' paths, grasps and outcome are drawn.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "plugins/mujoco_env/mujoco_env.h"
#include "roboimi/common/files.h"
#include "roboimi/io/image.h"
#include "roboimi/rollout/caption.h"
#include "roboimi/rollout/fit.h"
#include "roboimi/rollout/rollout.h"
#include "roboimi/rollout/trajectory_image.h"
#include "tests/acting_agent.h"

namespace roboimi::mujoco_env {
namespace {

namespace fs = std::filesystem;
using Point = std::array<double, 3>;

// The scripted expert as an agent.
class ExpertAgent : public ActingAgent {
 public:
  explicit ExpertAgent(MujocoEnv& environment)
      : ActingAgent(environment.spec()), environment_(environment) {}
  void reset(std::uint64_t seed) override {
    seed_ = seed;
    expert_.reset();
  }
  at::Tensor act(const Observation&) override {
    if (!expert_) expert_ = environment_.make_expert(0.0, seed_);
    return expert_->act();
  }

 private:
  MujocoEnv& environment_;
  std::uint64_t seed_ = 0;
  std::unique_ptr<Expert> expert_;
};

Point geom_position(const MujocoEnv& environment, const std::string& name) {
  const int geom = mj_name2id(environment.world().model.get(), mjOBJ_GEOM, name.c_str());
  EXPECT_GE(geom, 0) << name;
  const double* at = environment.data()->geom_xpos + 3 * geom;
  return {at[0], at[1], at[2]};
}

double distance(const Point& a, const Point& b) {
  return std::hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

TEST(ToolPositions, LieBetweenTheFingertips) {
  MujocoEnv environment({});
  environment.reset(3, false);
  const std::unique_ptr<Expert> expert = environment.make_expert(0.0, 3);
  for (int step = 0; step < 100; ++step) {
    environment.step(expert->act(), false);
    const auto tools = environment.tool_positions();
    ASSERT_EQ(tools.size(), 2u);
    for (int arm = 0; arm < kNumArms; ++arm) {
      const Point first = geom_position(environment, std::string(kArmNames[arm]) + "_pad1");
      const Point second = geom_position(environment, std::string(kArmNames[arm]) + "_pad2");
      const Point middle{(first[0] + second[0]) / 2, (first[1] + second[1]) / 2,
                         (first[2] + second[2]) / 2};
      EXPECT_LT(distance(tools[arm], middle), 0.006) << "step " << step;
      // The flange, where the paths used to be drawn, is a hand away.
      EXPECT_GT(distance(environment.end_effector_positions()[arm], middle), 0.1);
    }
  }
}

TEST(Holding, FollowsTheBoxFromTheRightArmToTheLeftOne) {
  MujocoEnv environment({});
  environment.reset(3, false);
  EXPECT_THAT(environment.holding(), testing::ElementsAre(false, false));
  const std::unique_ptr<Expert> expert = environment.make_expert(0.0, 3);
  std::vector<bool> left, right;
  for (int step = 0; step < 200; ++step) {
    environment.step(expert->act(), false);
    left.push_back(environment.holding().at(0));
    right.push_back(environment.holding().at(1));
  }
  const auto left_grasps = grasp_starts(left), right_grasps = grasp_starts(right);
  ASSERT_EQ(left_grasps.size(), 1u);
  ASSERT_EQ(right_grasps.size(), 1u);
  EXPECT_LT(right_grasps[0], left_grasps[0]);
  EXPECT_TRUE(left.back());
  EXPECT_FALSE(right.back());
}

class RolloutImages : public testing::Test {
 protected:
  RolloutImages() {
    ExpertAgent agent(environment_);
    run_rollouts(agent, environment_,
                 {.num_episodes = 1, .first_seed = 3, .output_folder = folder_, .num_videos = 1});
    image_ = read_png(folder_ / "trajectory_000.png").to(at::kInt);
  }
  ~RolloutImages() override { fs::remove_all(folder_); }

  Rgb color_at(PixelPoint point) const {
    const at::Tensor pixel = image_[std::lround(point[1])][std::lround(point[0])];
    Rgb color{};
    for (int c = 0; c < 3; ++c) color[c] = static_cast<std::uint8_t>(pixel[c].item<int>());
    return color;
  }
  // The number of pixels of exactly this color within `radius`.
  int count_near(PixelPoint point, int radius, Rgb color) const {
    int count = 0;
    for (int dy = -radius; dy <= radius; ++dy) {
      for (int dx = -radius; dx <= radius; ++dx) {
        count += color_at({point[0] + dx, point[1] + dy}) == color ? 1 : 0;
      }
    }
    return count;
  }
  // The tool of the environment's current state in the image.
  PixelPoint end_of(int arm) {
    return environment_.project("overview", kFilmSize, environment_.tool_positions()[arm]).value();
  }

  const fs::path folder_ =
      fs::temp_directory_path() / ("roboimi_rollout_images_" + std::to_string(::getpid()));
  MujocoEnv environment_{MujocoEnvOptions{.image_height = 128, .image_width = 128}};
  at::Tensor image_;  // int [H, W, 3]
};

TEST_F(RolloutImages, MarkTheEndOfEachPathBetweenTheFingers) {
  for (int arm = 0; arm < kNumArms; ++arm) {
    const PixelPoint end = end_of(arm);
    EXPECT_EQ(color_at(end), path_color(static_cast<std::size_t>(arm), 1.0)) << "arm " << arm;
    EXPECT_GT(count_near(end, 7, {255, 255, 255}), 15) << "the edge of the disc, arm " << arm;
  }
}

TEST_F(RolloutImages, MarkStartsAndGrasps) {
  environment_.reset(3, false);
  for (int arm = 0; arm < kNumArms; ++arm) {
    const Rgb ring = path_color(static_cast<std::size_t>(arm), 0.0);
    EXPECT_GT(count_near(end_of(arm), 8, ring), 15) << "arm " << arm;
  }
  const at::Tensor scene = image_.slice(0, 0, kFilmSize.height);
  const at::Tensor yellow = (scene.select(2, 0) == kGraspColor[0])
                                .logical_and(scene.select(2, 1) == kGraspColor[1])
                                .logical_and(scene.select(2, 2) == kGraspColor[2]);
  EXPECT_GT(yellow.sum().item<int>(), 60) << "two diamonds";
}

TEST_F(RolloutImages, StateTheOutcome) {
  EXPECT_EQ(image_.size(1), kFilmSize.width);
  const at::Tensor caption = image_.slice(0, kFilmSize.height, kFilmSize.height + kCaptionHeight);
  const at::Tensor green = (caption.select(2, 0) == kSuccessColor[0])
                               .logical_and(caption.select(2, 1) == kSuccessColor[1])
                               .logical_and(caption.select(2, 2) == kSuccessColor[2]);
  EXPECT_GT(green.sum().item<int>(), 1000);
  EXPECT_GT((caption.select(2, 0) > 200).sum().item<int>(), 300) << "the text";
  EXPECT_GT(fs::file_size(folder_ / "episode_000.mp4"), 10'000u);
}

}  // namespace
}  // namespace roboimi::mujoco_env
