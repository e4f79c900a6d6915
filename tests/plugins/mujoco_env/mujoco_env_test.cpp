// Gymnasium's semantics, determinism, and errors that a user can cause.
#include "plugins/mujoco_env/mujoco_env.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <limits>

#include "plugins/mujoco_env/transfer_task.h"
#include "roboimi/common/error.h"
#include "tests/error_text.h"
#include "tests/plugins/mujoco_env/transfer_scene.h"

namespace roboimi::mujoco_env {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// Both arms at home with open grippers.
at::Tensor home_action() {
  at::Tensor action = at::ones({kStateDim}, at::kFloat);
  for (int arm = 0; arm < kNumArms; ++arm) {
    for (int i = 0; i < kNumJoints; ++i) action[arm * kArmDim + i] = kHome[i];
  }
  return action;
}

// Runs 30 steps of small motions and returns all observations as one tensor.
at::Tensor trace(MujocoEnv& environment, std::uint64_t seed) {
  std::vector<at::Tensor> rows;
  const auto note = [&](const Observation& seen) {
    rows.push_back(at::cat({seen.state(), seen.velocity(), seen.env_state()}));
  };
  note(environment.reset(seed, false));
  for (int step = 0; step < 30; ++step) {
    const double offset = 0.2 * std::sin(0.2 * step);
    note(environment.step(home_action() - offset, false).observation);
  }
  return at::stack(rows);
}

TEST(MujocoEnv, DescribesItself) {
  MujocoEnv environment({});
  const ObservationSpec& spec = environment.spec();
  EXPECT_THAT(spec.camera_names(), testing::ElementsAre("front", "top", "r_vis"));
  EXPECT_EQ(spec.image_size("top"), (ImageSize{256, 256}));
  EXPECT_EQ(spec.state_dim(), 16);
  EXPECT_EQ(spec.action_dim, 16);
  EXPECT_EQ(spec.env_state_dim(), 7);
  EXPECT_EQ(spec.control_hz, 20.0);
  EXPECT_EQ(environment.max_steps(), 200);
  EXPECT_EQ(environment.max_reward(), 4.0);
  EXPECT_EQ(environment.stage_names().size(), 5u);
  EXPECT_EQ(environment.stage_names()[4], "left gripper holds the box alone");
  EXPECT_THAT(environment.end_effector_names(), testing::ElementsAre("left_link7", "right_link7"));
  EXPECT_EQ(environment.scene(), &environment);
}

TEST(MujocoEnv, LabelsTheBoxAndTheEndEffectors) {
  MujocoEnv environment({});
  const Observation observation = environment.reset(4, /*render=*/false);
  const auto labels = environment.labels();
  ASSERT_EQ(labels.size(), 3U);
  EXPECT_TRUE(at::equal(labels.at("box_position"), observation.env_state().slice(0, 0, 3)));
  const auto positions = environment.end_effector_positions();
  EXPECT_NEAR(labels.at("right_link7_position")[2].item<double>(), positions[1][2], 1e-6);
}

TEST(MujocoEnv, TheSameSeedGivesTheSameEpisodeAfterAnyOther) {
  MujocoEnv fresh({});
  const at::Tensor expected = trace(fresh, 7);
  MujocoEnv used({});
  trace(used, 3);
  EXPECT_TRUE(at::equal(trace(used, 7), expected));
  EXPECT_TRUE(at::equal(trace(used, 7), expected));
  EXPECT_FALSE(at::equal(trace(used, 8), expected));
}

TEST(MujocoEnv, StartsAtTheHomePoseWithTheBoxInItsRange) {
  MujocoEnv environment({});
  const PlacementRange range;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const Observation seen = environment.reset(seed, false);
    EXPECT_TRUE(at::allclose(seen.state(), home_action(), 0, 1e-6));
    EXPECT_EQ(seen.velocity().abs().max().item<float>(), 0.0f);
    const at::Tensor box = seen.env_state();
    EXPECT_GE(box[0].item<double>(), range.x_low);
    EXPECT_LE(box[0].item<double>(), range.x_high);
    EXPECT_LE(std::abs(box[1].item<double>()), range.y_high);
    EXPECT_NEAR(box.slice(0, 3, 7).norm().item<double>(), 1.0, 1e-6);
  }
}

TEST(MujocoEnv, StaysStillAtItsHomeCommand) {
  MujocoEnv environment({});
  environment.reset(0, false);
  StepResult result;
  for (int step = 0; step < 40; ++step) result = environment.step(home_action(), false);
  EXPECT_LT((result.observation.state() - home_action()).abs().max().item<float>(), 1e-3);
  EXPECT_EQ(result.reward, 0.0);
}

TEST(MujocoEnv, FollowsJointTargetsWithinAMilliradian) {
  MujocoEnv environment({});
  environment.reset(0, false);
  at::Tensor target = home_action();
  for (int arm = 0; arm < kNumArms; ++arm) {
    for (int i = 0; i < kNumJoints; ++i) target[arm * kArmDim + i] += i % 2 == 0 ? 0.1 : -0.1;
    target[arm * kArmDim + kNumJoints] = 0.25;
  }
  StepResult result;
  for (int step = 0; step < 60; ++step) result = environment.step(target, false);
  EXPECT_LT((result.observation.state() - target).abs().max().item<float>(), 1e-3);
}

TEST(MujocoEnv, ClipsActionsToTheRanges) {
  MujocoEnv environment({});
  environment.reset(0, false);
  at::Tensor action = home_action();
  action[6] = 50.0;
  action[7] = 9.0;
  environment.step(action, false);
  const ArmIndices& left = environment.world().arms[kLeft];
  EXPECT_EQ(environment.data()->ctrl[left.actuator[6]], left.upper[6]);
  EXPECT_EQ(environment.data()->ctrl[left.finger_actuator[0]], kFingerTravel);
}

TEST(MujocoEnv, IsTruncatedAtTheLastStepAndThenRequiresAReset) {
  MujocoEnv environment({.max_steps = 3});
  environment.reset(0, false);
  EXPECT_FALSE(environment.step(home_action(), false).truncated);
  EXPECT_FALSE(environment.step(home_action(), false).truncated);
  const StepResult last = environment.step(home_action(), false);
  EXPECT_TRUE(last.truncated);
  EXPECT_FALSE(last.terminated);
  EXPECT_THAT(error_text([&] { environment.step(home_action(), false); }),
              AllOf(HasSubstr("the episode is over"), HasSubstr("reset(seed)")));
  environment.reset(0, false);
  EXPECT_FALSE(environment.step(home_action(), false).truncated);
}

TEST(MujocoEnv, RequiresAResetFirst) {
  MujocoEnv environment({});
  EXPECT_THAT(error_text([&] { environment.step(home_action(), false); }),
              HasSubstr("no episode has started"));
  EXPECT_THAT(error_text([&] { environment.observe(false); }), HasSubstr("no episode has started"));
}

TEST(MujocoEnv, RejectsActionsThatAreNotFiniteOrHaveTheWrongSize) {
  MujocoEnv environment({});
  environment.reset(0, false);
  at::Tensor action = home_action();
  action[4] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(error_text([&] { environment.step(action, false); }),
              HasSubstr("element 4 of the action is not finite"));
  EXPECT_THAT(error_text([&] { environment.step(at::zeros({14}), false); }),
              AllOf(HasSubstr("expected 16 elements"), HasSubstr("found 14")));
}

TEST(MujocoEnv, ListsItsCamerasWhenOneIsUnknown) {
  EXPECT_THAT(error_text([] {
                MujocoEnv({.camera_names = {"front", "wrist"}});
              }),
              AllOf(HasSubstr("no camera 'wrist'"), HasSubstr("front, top, r_vis, overview")));
}

TEST(MujocoEnv, NamesAnUnknownTask) {
  EXPECT_THAT(error_text([] { MujocoEnv({.task = "sim_insertion"}); }),
              AllOf(HasSubstr("unknown task"), HasSubstr("expected sim_transfer")));
}

TEST(MujocoEnv, NamesASceneFileThatIsMissingOrInvalid) {
  EXPECT_THAT(error_text([] { MujocoEnv({.model_file = "/nowhere/scene.xml"}); }),
              AllOf(HasSubstr("/nowhere/scene.xml"), HasSubstr("does not exist")));
  const auto write = [](const char* text) {
    const std::filesystem::path path =
        std::filesystem::path(testing::TempDir()) / "mujoco_env_scene.xml";
    std::ofstream(path) << text;
    return path.string();
  };
  const std::string broken = write("<mujoco><worldbody><geom/></mujoco>");
  EXPECT_THAT(error_text([&] { MujocoEnv({.model_file = broken}); }),
              AllOf(HasSubstr(broken), HasSubstr("does not compile"), Not(HasSubstr("\n"))));
  const std::string other = write("<mujoco><worldbody/></mujoco>");
  EXPECT_THAT(error_text([&] { MujocoEnv({.model_file = other}); }),
              HasSubstr("lacks the joint 'left_joint1'"));
}

// An error that MuJoCo reports by mju_error() inside the compiler, here when an included file is
// opened.
TEST(MujocoEnv, ReportsAnErrorInsideTheCompiler) {
  static const mjpResourceProvider provider{.prefix = "broken",
                                            .open = [](mjResource*) -> int {
                                              mju_error("the disk is gone");
                                              return 0;
                                            },
                                            .read = [](mjResource*, const void**) { return -1; },
                                            .close = [](mjResource*) {}};
  ASSERT_GE(mjp_registerProvider(&provider), 0);
  const std::filesystem::path path = std::filesystem::path(testing::TempDir()) / "broken.xml";
  std::ofstream(path) << "<mujoco><include file=\"broken:part.xml\"/></mujoco>";
  // The compiler leaks what it had allocated, so it runs in a process of its own.
  EXPECT_EXIT(
      {
        std::fputs(error_text([&] { MujocoEnv({.model_file = path.string()}); }).c_str(), stderr);
        const MujocoEnv still_works({});
        std::_Exit(0);
      },
      testing::ExitedWithCode(0), "the disk is gone");
}

TEST(MujocoEnv, EmbedsTheSceneOfAssets) {
  MujocoEnv embedded({});
  MujocoEnv from_file({.model_file = ROBOIMI_SOURCE_DIR "/assets/sim_transfer/sim_transfer.xml"});
  EXPECT_TRUE(at::equal(trace(embedded, 1), trace(from_file, 1)));
}

// The stage of a state with the box floating between the fingers of `arm`, at finger positions
// `fingers`.
int stage_with_box_between(int arm, const std::array<double, 2>& fingers) {
  TransferScene scene;
  scene.start(draw_placement(0));
  mjData* data = scene.data.get();
  const ArmIndices& indices = scene.world.arms[arm];
  double* box = data->qpos + scene.task.box_position();
  mju_copy3(box, data->site_xpos + 3 * indices.tool_site);
  mju_mat2Quat(box + 3, data->site_xmat + 9 * indices.tool_site);
  for (int i = 0; i < 2; ++i) data->qpos[indices.finger_position[i]] = fingers[i];
  mj_forward(scene.world.model.get(), data);
  const Score score = scene.task.score(data);
  EXPECT_EQ(score.reward, score.stage);
  EXPECT_EQ(score.is_achieved, score.stage == 4);
  return score.stage;
}

TEST(SimTransfer, StagesDependOnTheContactsOfTheBox) {
  constexpr double kOn = kBoxHalfSize - 0.0005;  // meters: half a millimeter into the box
  constexpr double kOff = kFingerTravel;
  EXPECT_EQ(stage_with_box_between(kRight, {kOff, kOff}), 0);
  EXPECT_EQ(stage_with_box_between(kRight, {kOn, kOff}), 2);
  EXPECT_EQ(stage_with_box_between(kRight, {kOn, kOn}), 2);
  EXPECT_EQ(stage_with_box_between(kLeft, {kOn, kOff}), 3);
  EXPECT_EQ(stage_with_box_between(kLeft, {kOn, kOn}), 4);
}

TEST(MujocoEnv, UsesNoWeldOrOtherEqualityConstraint) {
  const MujocoEnv environment({});
  EXPECT_EQ(environment.world().model->neq, 0);
}

TEST(MujocoEnv, HasTheSameDefaultsInItsSchemaAndOptions) {
  const Options options = parse_options(parse_yaml("{type: mujoco_env}", "test.yaml"), schema());
  const std::shared_ptr<Environment> environment = create(options);
  EXPECT_EQ(environment->max_steps(), MujocoEnvOptions{}.max_steps);
  EXPECT_TRUE(environment->spec().difference(MujocoEnv({}).spec()).empty());
}

}  // namespace
}  // namespace roboimi::mujoco_env
