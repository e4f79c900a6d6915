#include "roboimi/rollout/rollout.h"

#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "roboimi/common/error.h"
#include "roboimi/common/interrupted.h"
#include "roboimi/common/random.h"
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

// Plans chunks of four steps; counts how many plans were sampled at once. Its actors measure a plan
// from the observation to the arrival of the chunk.
class PlanningAgent : public UntrainedAgent {
 public:
  PlanningAgent() : UntrainedAgent(LineEnvironment().spec(), {1, 4, 4}) {}
  std::unique_ptr<Actor> make_actor(const ActorOptions&) override {
    return std::make_unique<Planner>(*this);
  }
  at::Tensor sample_plans(const std::vector<PlanRequest>& requests) override {
    sizes.push_back(requests.size());
    std::vector<at::Tensor> chunks;
    for (const PlanRequest& request : requests) {
      chunks.push_back(0.3 + 0.1 * at::rand({4, 1}, request.noise));
    }
    return at::stack(chunks);
  }
  std::vector<std::size_t> sizes;  // of the batches
  bool needs_images = false;
  std::int64_t latency_steps = 0;

 private:
  class Planner : public Actor {
   public:
    explicit Planner(PlanningAgent& agent) : agent_(agent) {}
    void reset(std::uint64_t seed) override {
      seed_ = seed;
      step_ = 0;
    }
    bool needs_images() const override { return agent_.needs_images && step_ % 4 == 0; }
    std::int64_t latency_steps() const override { return agent_.latency_steps; }
    ActTiming last_timing() const override { return timing_; }
    void observe(const Observation&) override {
      observed_ = std::chrono::steady_clock::now();
      timing_ = {};
      is_planned_ = step_ % 4 != 0;
    }
    bool wants_plan() const override { return !is_planned_; }
    PlanRequest plan_request() override {
      is_planned_ = true;
      return {.noise = make_generator(mix_seed(seed_, static_cast<std::uint64_t>(step_)))};
    }
    void accept(const at::Tensor& chunk) override {
      chunk_ = chunk;
      const std::chrono::duration<double, std::milli> elapsed =
          std::chrono::steady_clock::now() - observed_;
      timing_.inference_ms = timing_.plan_ms = elapsed.count();
    }
    at::Tensor command() override { return chunk_[step_++ % 4]; }
    at::Tensor act(const Observation& observation) override {
      observe(observation);
      if (wants_plan()) accept(agent_.sample_plans({plan_request()})[0]);
      return command();
    }

   private:
    PlanningAgent& agent_;
    std::uint64_t seed_ = 0;
    std::int64_t step_ = 0;
    bool is_planned_ = false;
    at::Tensor chunk_;
    std::chrono::steady_clock::time_point observed_;
    ActTiming timing_;
  };
};

TEST(RunRollouts, OfSeveralEpisodesAtATimeHaveTheSameOutcomesInFewerBatches) {
  PlanningAgent alone, together;
  LineEnvironment environment;
  const RolloutOptions options{.num_episodes = 5, .first_seed = 500};
  const RolloutSummary expected = run_rollouts(alone, environment, options);
  std::vector<std::shared_ptr<Environment>> environments;
  for (int i = 0; i < 3; ++i) environments.push_back(std::make_shared<LineEnvironment>());
  RolloutOptions counted = options;
  std::vector<std::int64_t> progress;
  counted.progress = [&](std::int64_t done) { progress.push_back(done); };
  const RolloutSummary found = run_rollouts_together(together, environments, counted);
  ASSERT_EQ(found.episodes.size(), 5u);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(found.episodes[i].seed, expected.episodes[i].seed);
    EXPECT_EQ(found.episodes[i].success, expected.episodes[i].success);
    EXPECT_EQ(found.episodes[i].total_reward, expected.episodes[i].total_reward);
    EXPECT_EQ(found.episodes[i].length, expected.episodes[i].length);
  }
  EXPECT_EQ(alone.sizes, std::vector<std::size_t>(15, 1));
  EXPECT_EQ(together.sizes, (std::vector<std::size_t>{3, 3, 3, 2, 2, 2}));
  EXPECT_EQ(progress, (std::vector<std::int64_t>{1, 2, 3, 4, 5}));
}

// Its first image takes half a second.
class SlowCamera : public LineEnvironment {
 public:
  Observation observe(bool render) override {
    if (render && frames_drawn == 0) std::this_thread::sleep_for(std::chrono::milliseconds(500));
    return LineEnvironment::observe(render);
  }
};

// Needs images, may take a control step of one second for a chunk, and takes 50 ms.
class SlowPlanner : public PlanningAgent {
 public:
  SlowPlanner() {
    needs_images = true;
    latency_steps = 1;
    spec_.control_hz = 1.0;
  }
  at::Tensor sample_plans(const std::vector<PlanRequest>& requests) override {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return PlanningAgent::sample_plans(requests);
  }
};

TEST(RunRollouts, OfSeveralEpisodesAtATimeMeasureAPlanWithoutTheOtherEpisodes) {
  SlowPlanner agent;
  std::vector<std::shared_ptr<Environment>> environments;
  for (int i = 0; i < 3; ++i) environments.push_back(std::make_shared<SlowCamera>());
  // The images of three episodes take longer than a control step.
  for (const auto& environment : environments) {
    static_cast<SlowCamera&>(*environment).set_control_hz(1.0);
  }
  const RolloutSummary found = run_rollouts_together(agent, environments, {.num_episodes = 3});
  EXPECT_EQ(agent.sizes, (std::vector<std::size_t>{3, 3, 3}));
  const PlanTimings plans = found.plans();
  EXPECT_EQ(plans.count, 9);
  EXPECT_EQ(plans.late, 0);
  EXPECT_GE(plans.total_ms, 9 * 50.0);
  EXPECT_LT(plans.max_ms, 500.0);
  for (const EpisodeOutcome& episode : found.episodes) {
    EXPECT_GE(episode.timings.obs_read_ms, 500.0);
    EXPECT_GE(episode.timings.inference_ms, 3 * 50.0);
    EXPECT_LT(episode.timings.inference_ms, 500.0);
    EXPECT_GE(episode.timings.loop_total_ms,
              episode.timings.obs_read_ms + episode.timings.inference_ms);
  }
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
