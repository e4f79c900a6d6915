// A second task, defined in this file: it takes only a class and an MJCF.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "plugins/mujoco_env/mujoco_env.h"
#include "plugins/mujoco_env/task.h"
#include "plugins/mujoco_env/world.h"
#include "roboimi/common/random.h"
#include "roboimi/contract/scene.h"
#include "roboimi/testing/conformance.h"
#include "tests/error_text.h"

namespace roboimi::mujoco_env {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kScene = R"(
<mujoco model="close_gripper">
  <include file="arms.xml"/>
  <worldbody>
    <light pos="0 0 2" dir="0 0 -1"/>
    <geom name="table" type="box" size="1 0.5 0.03" pos="0 0 -0.03"/>
    <camera name="side" pos="0 -1.5 0.6" xyaxes="1 0 0 0 0.4 1"/>
    <body name="ball">
      <freejoint name="ball"/>
      <geom type="sphere" size="0.03" mass="0.05"/>
    </body>
  </worldbody>
</mujoco>)";

// Initial position of the ball along x, in meters.
double ball_start(std::uint64_t seed) {
  return 0.001 * static_cast<double>(mix_seed(seed, 0) % 100);
}

// A task in which the left gripper must close while a ball is on the table.
class CloseGripper final : public Task {
 public:
  explicit CloseGripper(const World& world) : world_(world) {
    const mjModel* model = world.model.get();
    ball_ = model->jnt_qposadr[find_named(model, mjOBJ_JOINT, "ball")];
  }

  std::vector<std::string> stage_names() const override { return {"open", "half", "closed"}; }
  double max_reward() const override { return 10.0; }
  std::int64_t object_state_dim() const override { return 2; }

  void place(std::uint64_t seed, mjData* data) const override {
    data->qpos[ball_] = ball_start(seed);
    data->qpos[ball_ + 2] = 0.03;
  }
  Score score(const mjData* data) const override {
    const double opening =
        data->qpos[world_.arms[kLeft].finger_position[0]] / kFingerTravel;  // 0 .. 1
    if (opening < 0.05) return {.stage = 2, .reward = 10.0, .is_achieved = true};
    if (opening < 0.5) return {.stage = 1, .reward = 2.5};
    return {};
  }
  at::Tensor object_state(const mjData* data) const override {
    return at::tensor(at::ArrayRef<double>(data->qpos + ball_, 2), at::kFloat);
  }
  std::map<std::string, at::Tensor> labels(const mjData* data) const override {
    return {{"ball_position", at::tensor(at::ArrayRef<double>(data->qpos + ball_, 3), at::kFloat)}};
  }
  std::unique_ptr<Expert> make_expert(const mjData* data, const WayPointNoise&,
                                      std::uint64_t) const override {
    class Closer final : public Expert {
     public:
      explicit Closer(at::Tensor command) : command_(std::move(command)) {}
      at::Tensor act() override { return command_; }

     private:
      at::Tensor command_;
    };
    at::Tensor command = at::empty({kStateDim}, at::kFloat);
    read_state(world_.arms, data, command.data_ptr<float>());
    command[kNumJoints] = 0.0;
    return std::make_unique<Closer>(command);
  }

 private:
  const World& world_;
  int ball_ = 0;
};

std::unique_ptr<Task> make_close_gripper(const World& world) {
  return std::make_unique<CloseGripper>(world);
}

const TaskRow kTask = {"close_gripper", {"close_gripper.xml", kScene}, make_close_gripper};

MujocoEnvOptions small_options() {
  return {.camera_names = {"side"}, .image_height = 32, .image_width = 48, .max_steps = 40};
}

TEST(SecondTask, DescribesItselfThroughTheEnvironment) {
  MujocoEnv environment(small_options(), kTask);
  EXPECT_EQ(environment.spec().env_state_dim(), 2);
  EXPECT_EQ(environment.spec().state_dim(), kStateDim);
  EXPECT_THAT(environment.stage_names(), ElementsAre("open", "half", "closed"));
  EXPECT_EQ(environment.max_reward(), 10.0);
  EXPECT_THAT(error_text([] { MujocoEnv({}, kTask); }),
              HasSubstr("the scene has no camera 'front': expected one of side"));
}

TEST(SecondTask, StartsAccordingToItsSeedAndLabelsItsObject) {
  MujocoEnv environment(small_options(), kTask);
  const Observation first = environment.reset(3, /*render=*/true);
  EXPECT_NEAR(first.env_state()[0].item<double>(), ball_start(3), 1e-6);
  EXPECT_EQ(first.at("side").size(1), 48);
  const auto labels = environment.labels();
  EXPECT_EQ(labels.size(), 3U);
  EXPECT_NEAR(labels.at("ball_position")[2].item<double>(), 0.03, 1e-6);
  EXPECT_EQ(labels.count("left_link7_position"), 1U);
}

TEST(SecondTask, HasItsOwnStagesAndRewards) {
  MujocoEnv environment(small_options(), kTask);
  environment.reset(3, false);
  const std::unique_ptr<Expert> expert = environment.make_expert(0.0, 0);
  std::vector<double> rewards;
  std::vector<StepInfo> infos;
  for (bool over = false; !over;) {
    const StepResult result = environment.step(expert->act(), false);
    if (rewards.empty() || rewards.back() != result.reward) rewards.push_back(result.reward);
    infos.push_back(result.info);
    over = result.truncated;
  }
  EXPECT_THAT(rewards, ElementsAre(2.5, 10.0));
  EXPECT_EQ(infos.back().stage, 2);
  const auto first_of = [&](bool StepInfo::*flag) {
    return std::find_if(infos.begin(), infos.end(), [&](const StepInfo& i) { return i.*flag; }) -
           infos.begin();
  };
  ASSERT_TRUE(infos.back().stable_success);
  EXPECT_EQ(first_of(&StepInfo::stable_success) - first_of(&StepInfo::success), kStableSteps - 1);
}

TEST(Tasks, AreFoundByName) {
  EXPECT_THAT(task_names(), ElementsAre("sim_transfer"));
  EXPECT_EQ(find_task("sim_transfer").name, "sim_transfer");
  EXPECT_EQ(error_text([] { find_task("sim_insertion"); }),
            "env.task: unknown task: expected sim_transfer; found sim_insertion");
}

TEST(Tasks, NameTheirSceneIfItDoesNotCompile) {
  const TaskRow broken = {
      "broken", {"broken.xml", "<mujoco><worldbody><geom/></mujoco>"}, make_close_gripper};
  EXPECT_THAT(error_text([&] { MujocoEnv(small_options(), broken); }),
              HasSubstr("mujoco_env, broken.xml: the scene does not compile"));
}

class CloseGripperSubject : public roboimi::testing::EnvironmentSubject {
  std::shared_ptr<Environment> make() const override {
    return std::make_shared<MujocoEnv>(small_options(), kTask);
  }
};
ROBOIMI_ENVIRONMENT_CONFORMANCE(CloseGripperSubject);

}  // namespace
}  // namespace roboimi::mujoco_env
