// Tests of the environment checks: correct environments pass all, and each fault is found by its
// check.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "roboimi/common/error.h"
#include "roboimi/common/random.h"
#include "roboimi/contract/environment.h"
#include "roboimi/contract/scene.h"
#include "roboimi/testing/environment_checks.h"
#include "tests/unit/rollout/line_robot.h"
#include "tests/unit/testing/failing_checks.h"

namespace roboimi::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

const std::string kNothing = "nothing";

enum class EnvironmentFault {
  kNone,
  kWrongState,
  kRendersUnasked,
  kUnseeded,
  kOneSeed,
  kNeverEnds,
  kGoesOnAfterTheEnd,
  kStepsBeforeReset,
  kAcceptsNan,
  kRendersOneSize,
  kRenderingMoves,
  kNoStages,
  kUnnamedStage,
  kRewardTooHigh,
  kNamelessPoint,
  kNoTool,
  kNanTool,
  kHoldsWithoutAHand,
  kRenderingMovesTheTool,
};

// A point that moves to the commanded position, in an image of one color.
class FaultyEnvironment : public Environment, public Scene {
 public:
  explicit FaultyEnvironment(EnvironmentFault fault) : fault_(fault) {
    spec_ = {.streams = {rgb_stream("top", {8, 12}), vector_stream(kState, 2)}, .action_dim = 2};
  }
  const ObservationSpec& spec() const override { return spec_; }
  std::int64_t max_steps() const override { return 6; }
  Scene* scene() override { return this; }
  double max_reward() const override { return 1.0; }
  std::vector<std::string> stage_names() const override {
    return fault_ == EnvironmentFault::kNoStages ? std::vector<std::string>()
                                                 : std::vector{kNothing};
  }

  Observation reset(std::uint64_t seed, bool render) override {
    if (fault_ == EnvironmentFault::kUnseeded) seed = static_cast<std::uint64_t>(count_++);
    if (fault_ == EnvironmentFault::kOneSeed) seed = 0;
    at::Generator generator = make_generator(seed);
    state_ = at::rand({2}, generator);
    steps_ = 0;
    running_ = true;
    return observe(render);
  }

  StepResult step(const at::Tensor& action, bool render) override {
    const bool begun = running_ || (fault_ == EnvironmentFault::kStepsBeforeReset && steps_ == 0) ||
                       (fault_ == EnvironmentFault::kGoesOnAfterTheEnd && steps_ > 0);
    if (!begun) throw Error({.what = "no episode", .next = "call reset()"});
    if (action.numel() != 2) throw Error("an action of the wrong size");
    if (fault_ != EnvironmentFault::kAcceptsNan && !action.isfinite().all().item<bool>()) {
      throw Error("the action is not finite");
    }
    state_ = action.clone();
    if (fault_ == EnvironmentFault::kRenderingMoves && render) state_ = state_ + 0.1;
    StepResult result;
    result.truncated = ++steps_ >= max_steps() && fault_ != EnvironmentFault::kNeverEnds;
    running_ = !result.truncated;
    result.info.stage = fault_ == EnvironmentFault::kUnnamedStage ? 1 : 0;
    result.reward = fault_ == EnvironmentFault::kRewardTooHigh ? 1.5 : 1.0;
    result.observation = observe(render);
    return result;
  }

  Observation observe(bool render) override {
    Observation observation = {{kState, state_.clone()}, {kVelocity, at::zeros({2})}};
    if (fault_ == EnvironmentFault::kWrongState) observation["state"] = at::cat({state_, state_});
    if (render || fault_ == EnvironmentFault::kRendersUnasked) {
      observation["top"] = this->render("top", {8, 12});
    }
    return observation;
  }

  std::vector<std::array<double, 3>> end_effector_positions() const override { return {{0, 0, 0}}; }
  std::vector<std::string> end_effector_names() const override {
    if (fault_ == EnvironmentFault::kNamelessPoint) return {};
    return {"point"};
  }
  std::vector<std::array<double, 3>> tool_positions() const override {
    if (fault_ == EnvironmentFault::kNoTool) return {};
    if (fault_ == EnvironmentFault::kNanTool) return {{0, std::nan(""), 0}};
    if (fault_ == EnvironmentFault::kRenderingMovesTheTool) return {{0.1 * num_rendered_, 0, 0}};
    return {{0, 0, 0}};
  }
  std::vector<bool> holding() const override {
    return std::vector<bool>(fault_ == EnvironmentFault::kHoldsWithoutAHand ? 2 : 1, false);
  }
  at::Tensor render(const std::string& camera, ImageSize size) override {
    if (camera != "top") throw Error("no camera '" + camera + "'");
    ++num_rendered_;
    if (fault_ == EnvironmentFault::kRendersOneSize) size = {8, 12};
    return at::full({size.height, size.width, 3}, 9, at::kByte);
  }
  std::optional<std::array<double, 2>> project(const std::string&, ImageSize,
                                               const std::array<double, 3>&) const override {
    return std::nullopt;
  }

 protected:
  ObservationSpec spec_;

 private:
  EnvironmentFault fault_;
  at::Tensor state_ = at::zeros({2});
  std::int64_t steps_ = 0, count_ = 0, num_rendered_ = 0;
  bool running_ = false;
};

class FaultyWorld : public EnvironmentSubject {
 public:
  explicit FaultyWorld(EnvironmentFault fault) : fault_(fault) {}
  std::shared_ptr<Environment> make() const override {
    return std::make_shared<FaultyEnvironment>(fault_);
  }

 private:
  EnvironmentFault fault_;
};

TEST(EnvironmentKit, PassesAnEnvironmentWithoutAFault) {
  EXPECT_THAT(failing_checks(environment_checks(), FaultyWorld(EnvironmentFault::kNone)),
              IsEmpty());
}

class EachEnvironmentFault
    : public ::testing::TestWithParam<std::pair<EnvironmentFault, const char*>> {};

TEST_P(EachEnvironmentFault, IsFoundByItsCheck) {
  const auto& [fault, check] = GetParam();
  EXPECT_THAT(failing_checks(environment_checks(), FaultyWorld(fault)), Contains(check));
}

INSTANTIATE_TEST_SUITE_P(
    All, EachEnvironmentFault,
    ::testing::Values(
        std::pair(EnvironmentFault::kWrongState, "observations_fit_the_spec"),
        std::pair(EnvironmentFault::kRendersUnasked, "observations_fit_the_spec"),
        std::pair(EnvironmentFault::kUnseeded, "seed_decides_the_episode"),
        std::pair(EnvironmentFault::kOneSeed, "seeds_differ"),
        std::pair(EnvironmentFault::kNeverEnds, "episodes_end"),
        std::pair(EnvironmentFault::kGoesOnAfterTheEnd, "episodes_end"),
        std::pair(EnvironmentFault::kStepsBeforeReset, "step_needs_a_reset"),
        std::pair(EnvironmentFault::kAcceptsNan, "bad_actions_are_refused"),
        std::pair(EnvironmentFault::kRendersOneSize, "renders_any_size"),
        std::pair(EnvironmentFault::kRenderingMoves, "rendering_changes_nothing"),
        std::pair(EnvironmentFault::kNoStages, "scene_is_complete"),
        std::pair(EnvironmentFault::kUnnamedStage, "episodes_end"),
        std::pair(EnvironmentFault::kRewardTooHigh, "episodes_end"),
        std::pair(EnvironmentFault::kNamelessPoint, "end_effectors_have_names"),
        std::pair(EnvironmentFault::kNoTool, "each_end_effector_has_a_tool"),
        std::pair(EnvironmentFault::kNanTool, "each_end_effector_has_a_tool"),
        std::pair(EnvironmentFault::kHoldsWithoutAHand, "each_end_effector_has_a_tool"),
        std::pair(EnvironmentFault::kRenderingMovesTheTool, "rendering_changes_nothing")));

// An environment without a state, whose observations have undefined tensors in its place.
class StatelessEnvironment final : public FaultyEnvironment {
 public:
  StatelessEnvironment() : FaultyEnvironment(EnvironmentFault::kNone) {
    spec_ = {.streams = {rgb_stream("top", {8, 12}), vector_stream("force", 2)}, .action_dim = 2};
  }
  Observation observe(bool render) override {
    Observation observation = FaultyEnvironment::observe(render);
    observation["force"] = observation.state();
    observation[kState] = at::Tensor();
    observation[kVelocity] = at::Tensor();
    return observation;
  }
};

class StatelessWorld final : public EnvironmentSubject {
 public:
  std::shared_ptr<Environment> make() const override {
    return std::make_shared<StatelessEnvironment>();
  }
};

TEST(EnvironmentKit, PassesAnEnvironmentWithoutAState) {
  for (const Check<EnvironmentSubject>& check : environment_checks()) {
    const CheckResult result = run_check(check, StatelessWorld());
    EXPECT_EQ(result.status, CheckStatus::kPassed) << check.name << ": " << result.message;
  }
}

// A robot that counts its commands.
class CountingRobot final : public LineRobot {
 public:
  explicit CountingRobot(int& num_commands) : num_commands_(num_commands) {}
  StepResult step(const at::Tensor& action, bool render) override {
    ++num_commands_;
    return LineRobot::step(action, render);
  }

 private:
  int& num_commands_;
};

// There is only one robot, so a check must not create a second environment at the same time.
class OneRobot : public EnvironmentSubject {
 public:
  std::shared_ptr<Environment> make() const override {
    EXPECT_TRUE(last_.expired()) << "two robots at once";
    const auto robot = std::make_shared<CountingRobot>(num_commands);
    last_ = robot;
    return robot;
  }

  mutable int num_commands = 0;

 private:
  mutable std::weak_ptr<Environment> last_;
};

TEST(EnvironmentKit, SendsNoCommandToARobotWithoutAGentleAction) {
  const OneRobot subject;
  EXPECT_THAT(failing_checks(environment_checks(), subject), IsEmpty());
  EXPECT_THAT(
      checks_that(CheckStatus::kSkipped, environment_checks(), subject),
      UnorderedElementsAre("scene_is_complete", "seed_decides_the_episode", "seeds_differ",
                           "renders_any_size", "rendering_changes_nothing",
                           "end_effectors_have_names", "each_end_effector_has_a_tool",
                           "episodes_end", "step_needs_a_reset", "bad_actions_are_refused"));
  EXPECT_EQ(subject.num_commands, 0);
  EXPECT_THAT(run_check(check_named(environment_checks(), "episodes_end"), subject).message,
              HasSubstr("EnvironmentSubject::gentle_action()"));
}

// A robot whose action is a step, so that zeros are gentle.
class GentleRobot final : public OneRobot {
 public:
  at::Tensor gentle_action(Environment& environment, const Observation&) const override {
    return at::zeros({environment.spec().action_dim});
  }
};

TEST(EnvironmentKit, StepsARobotWithItsGentleActionAndSkipsChecksThatNeedAScene) {
  const GentleRobot subject;
  EXPECT_THAT(failing_checks(environment_checks(), subject), IsEmpty());
  EXPECT_THAT(checks_that(CheckStatus::kSkipped, environment_checks(), subject),
              UnorderedElementsAre("scene_is_complete", "seed_decides_the_episode", "seeds_differ",
                                   "renders_any_size", "rendering_changes_nothing",
                                   "end_effectors_have_names", "each_end_effector_has_a_tool"));
  EXPECT_GT(subject.num_commands, 0);
}

TEST(EnvironmentKit, HoldsASimulatorAtItsStateIfThatHasTheSizeOfAnAction) {
  const FaultyWorld world(EnvironmentFault::kNone);
  const auto environment = world.make();
  const Observation first = environment->reset(4, false);
  EXPECT_TRUE(at::equal(world.gentle_action(*environment, first), first.state()));
  const StatelessWorld stateless;
  const auto other = stateless.make();
  EXPECT_TRUE(at::equal(stateless.gentle_action(*other, other->reset(4, false)), at::zeros({2})));
}

}  // namespace
}  // namespace roboimi::testing
