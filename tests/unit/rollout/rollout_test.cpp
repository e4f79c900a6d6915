#include "roboimi/rollout/rollout.h"

#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "roboimi/common/error.h"
#include "roboimi/common/interrupted.h"
#include "roboimi/contract/agent.h"
#include "roboimi/contract/environment.h"
#include "tests/acting_agent.h"
#include "tests/unit/rollout/constant_agent.h"
#include "tests/unit/rollout/line_robot.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;

TEST(RunRollouts, SeedsEpisodesInOrderAndScoresThem) {
  ConstantAgent agent(0.35);  // 12 steps: 4.2 from 0, 5.2 from 1
  LineEnvironment environment;
  const auto summary = run_rollouts(agent, environment, {.num_episodes = 4, .first_seed = 500});
  EXPECT_EQ(agent.seeds, (std::vector<std::uint64_t>{500, 501, 502, 503}));
  EXPECT_DOUBLE_EQ(summary.success_rate(), 0.5);
  EXPECT_DOUBLE_EQ(summary.mean_highest_reward(), 2.5);
  EXPECT_EQ(summary.episodes[1].length, 12);
  EXPECT_EQ(summary.episodes[1].stage, 1);
}

// Rewards are costs, and the stage is unknown.
class CostlyLine : public LineEnvironment {
 public:
  StepResult step(const at::Tensor& action, bool render) override {
    StepResult result = LineEnvironment::step(action, render);
    result.reward -= 6.0;
    result.info.stage = -1;
    return result;
  }
};

TEST(RunRollouts, ScoreNegativeRewardsAndUnknownStages) {
  ConstantAgent agent(0.35);
  CostlyLine environment;
  const auto summary = run_rollouts(agent, environment, {.num_episodes = 2, .first_seed = 500});
  EXPECT_EQ(summary.episodes[0].highest_reward, -5.0);
  EXPECT_EQ(summary.episodes[1].highest_reward, -2.0);  // a success
  EXPECT_EQ(summary.episodes[0].stage_name, "");
}

TEST(RunRollouts, RenderOnlyTheImagesThatTheAgentNeeds) {
  ConstantAgent agent(0.1);
  LineEnvironment environment;
  run_rollouts(agent, environment, {.num_episodes = 2});
  EXPECT_EQ(environment.frames_drawn, 6);
}

TEST(RunRollouts, RestoreTheModeOfEveryModule) {
  ConstantAgent agent(0.1);
  LineEnvironment environment;
  agent.train();
  agent.frozen->eval();
  const at::Tensor generator = at::detail::getDefaultCPUGenerator().get_state();
  run_rollouts(agent, environment, {.num_episodes = 1});
  EXPECT_TRUE(agent.is_training());
  EXPECT_FALSE(agent.frozen->is_training());
  EXPECT_TRUE(generator.equal(at::detail::getDefaultCPUGenerator().get_state()));
}

TEST(RunRollouts, DestroyTheActorHoweverTheyEnd) {
  class BusyAgent : public ConstantAgent {
   public:
    using ConstantAgent::ConstantAgent;
    void at_rest() override {
      EXPECT_FALSE(is_training());  // the mode is restored later
      ++rests;
    }
    int rests = 0;
  } agent(0.1);
  agent.train();
  LineEnvironment environment;
  run_rollouts(agent, environment, {.num_episodes = 2});
  EXPECT_EQ(agent.rests, 1);
  const RolloutOptions interrupted{.num_episodes = 1, .should_stop = [] { return true; }};
  EXPECT_THROW(run_rollouts(agent, environment, interrupted), Interrupted);
  EXPECT_EQ(agent.rests, 2);
  EXPECT_TRUE(agent.is_training());
}

TEST(RunRollouts, RejectAnEnvironmentOfOtherSizes) {
  class Wider : public LineEnvironment {
   public:
    Wider() : wide_(LineEnvironment::spec()) { wide_.set(rgb_stream("front", {8, 16})); }
    const ObservationSpec& spec() const override { return wide_; }

   private:
    ObservationSpec wide_;
  } environment;
  ConstantAgent agent(0.1);
  try {
    run_rollouts(agent, environment, {.num_episodes = 1});
    FAIL() << "8x16 was accepted for 8x8";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("camera 'front' has 8x16 pixels instead of 8x8"));
  }
}

TEST(RunRollouts, UseOneThread) {
  class CountingAgent : public ConstantAgent {
   public:
    using ConstantAgent::ConstantAgent;
    at::Tensor act(const Observation& o) override {
      EXPECT_EQ(at::get_num_threads(), 1);
      return ConstantAgent::act(o);
    }
  } agent(0.1);
  LineEnvironment environment;
  const int former = at::get_num_threads();
  at::set_num_threads(2);
  run_rollouts(agent, environment, {.num_episodes = 1});
  EXPECT_EQ(at::get_num_threads(), 2);
  at::set_num_threads(former);
}

TEST(RunRollouts, CountLateChunks) {
  // A chunk every fourth step; one step of a tenth of a second is granted.
  class SlowAgent : public ConstantAgent {
   public:
    using ConstantAgent::ConstantAgent;
    std::int64_t latency_steps() const override { return 1; }
    at::Tensor act(const Observation& o) override {
      timing_.plan_ms = needs_images() ? (++plans_ == 2 ? 120.0 : 80.0) : 0.0;
      return ConstantAgent::act(o);
    }
    ActTiming last_timing() const override { return timing_; }

   private:
    ActTiming timing_;
    int plans_ = 0;
  } agent(0.1);
  LineEnvironment environment;
  const PlanTimings plans = run_rollouts(agent, environment, {.num_episodes = 2}).plans();
  EXPECT_EQ(plans.count, 6);
  EXPECT_EQ(plans.late, 1);
  EXPECT_DOUBLE_EQ(plans.max_ms, 120.0);
  EXPECT_DOUBLE_EQ(plans.total_ms, 5 * 80.0 + 120.0);
}

}  // namespace
}  // namespace roboimi
