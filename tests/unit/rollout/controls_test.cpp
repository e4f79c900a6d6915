#include "roboimi/rollout/controls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "roboimi/common/error.h"
#include "roboimi/contract/scene.h"
#include "roboimi/rollout/rollout.h"
#include "tests/error_text.h"
#include "tests/unit/rollout/constant_agent.h"
#include "tests/unit/rollout/line_robot.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;

TEST(Controls, HoldPoseIgnoresThePolicy) {
  ConstantAgent agent(0.35);
  const auto environment =
      controlled(Control::kHoldPose, [] { return std::make_shared<LineEnvironment>(); });
  // Starting at 1, every command is 1 and 5 is reached. Starting at 0, nothing moves.
  const auto summary = run_rollouts(agent, *environment, {.num_episodes = 2, .first_seed = 500});
  EXPECT_FALSE(summary.episodes[0].success);
  EXPECT_TRUE(summary.episodes[1].success);
}

TEST(Controls, ReturnTheSceneOfTheActualEnvironment) {
  for (const Control control :
       {Control::kNone, Control::kHoldPose, Control::kBlack, Control::kShuffled}) {
    std::vector<std::shared_ptr<LineEnvironment>> made;
    const auto environment = controlled(control, [&] {
      made.push_back(std::make_shared<LineEnvironment>());
      return made.back();
    });
    EXPECT_EQ(environment->scene(), made.front()->scene());
  }
}

TEST(Controls, NeedNoSecondRobotExceptShuffled) {
  int robots = 0;
  const auto make = [&] {
    ++robots;
    return std::make_shared<LineRobot>();
  };
  const auto black = controlled(Control::kBlack, make);
  EXPECT_EQ(black->scene(), nullptr);
  EXPECT_EQ(black->reset(1, true).at("front").sum().item<int>(), 0);
  const auto held = controlled(Control::kHoldPose, make);
  held->reset(1, false);  // at 0.25, which is every command from now on
  EXPECT_DOUBLE_EQ(held->step(at::zeros({1}), false).observation.state()[0].item<double>(), 0.5);
  robots = 0;
  EXPECT_EQ(error_text([&] { controlled(Control::kShuffled, make); }),
            "control shuffled: images of another episode need a second environment: "
            "expected a simulator, that is, an environment with a scene; found an "
            "environment without a scene, such as a robot; use the control black or hold_pose");
  EXPECT_EQ(robots, 1);
}

// Its images show its position.
class VisibleLine : public LineEnvironment {
 public:
  Observation observe(bool render) override {
    Observation o = LineEnvironment::observe(render);
    if (render) o["front"].fill_(10.0 * o.state()[0].item<double>());
    return o;
  }
};

TEST(Controls, ShowBlackImagesOrThoseOfAnotherEpisode) {
  const auto make = [] { return std::make_shared<VisibleLine>(); };
  const auto shown = [&](Control control) {
    const auto environment = controlled(control, make);
    environment->reset(501, false);
    environment->step(at::full({1}, 2.0), false);
    const Observation o = environment->observe(true);
    EXPECT_EQ(o.state()[0].item<double>(), 3.0);
    return o.at("front")[0][0][0].item<int>();
  };
  EXPECT_EQ(shown(Control::kNone), 30);
  EXPECT_EQ(shown(Control::kBlack), 0);
  EXPECT_EQ(shown(Control::kShuffled), 20);  // seed 502 starts at 0
}

// Ends at 3. Fails on a step after that.
class EndingLine : public VisibleLine {
 public:
  Observation reset(std::uint64_t seed, bool render) override {
    has_ended_ = false;
    return VisibleLine::reset(seed, render);
  }
  StepResult step(const at::Tensor& action, bool render) override {
    EXPECT_FALSE(has_ended_);
    StepResult result = VisibleLine::step(action, render);
    has_ended_ = result.terminated = observe(false).state()[0].item<double>() >= 3.0;
    return result;
  }

 private:
  bool has_ended_ = false;
};

TEST(Controls, KeepTheLastImageOfAnEpisodeThatEndsFirst) {
  const auto environment =
      controlled(Control::kShuffled, [] { return std::make_shared<EndingLine>(); });
  environment->reset(500, false);  // from 0; the other, of seed 501, from 1
  for (int i = 0; i < 2; ++i) environment->step(at::full({1}, 1.0), false);
  EXPECT_FALSE(environment->step(at::full({1}, 0.5), false).terminated);
  EXPECT_EQ(environment->observe(true).at("front")[0][0][0].item<int>(), 30);
}

TEST(Controls, HaveNamesAndRejectOthers) {
  EXPECT_EQ(control_from("shuffled"), Control::kShuffled);
  try {
    control_from("blind");
    FAIL() << "'blind' was accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("none, hold_pose, black, shuffled"));
  }
}

}  // namespace
}  // namespace roboimi
