// run_rollouts_together(): batches of plans, threads, timings.
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <latch>
#include <thread>

#include "roboimi/common/error.h"
#include "roboimi/common/random.h"
#include "roboimi/contract/agent.h"
#include "roboimi/contract/environment.h"
#include "roboimi/rollout/rollout.h"
#include "tests/acting_agent.h"
#include "tests/error_text.h"
#include "tests/unit/rollout/line_robot.h"

namespace roboimi {
namespace {

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

TEST(RunRolloutsTogether, HaveTheSameOutcomesInFewerBatches) {
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

// Ends after 8 to 12 steps, depending on the seed.
class UnequalLine : public LineEnvironment {
 public:
  std::int64_t max_steps() const override { return 8 + static_cast<std::int64_t>(seed_ % 5); }
  Observation reset(std::uint64_t seed, bool render) override {
    seed_ = seed;
    return LineEnvironment::reset(seed, render);
  }

 private:
  std::uint64_t seed_ = 0;
};

TEST(RunRolloutsTogether, DoNotDependOnTheNumberOfThreads) {
  const auto run = [](std::int64_t threads, PlanningAgent& agent) {
    std::vector<std::shared_ptr<Environment>> environments;
    for (int i = 0; i < 4; ++i) environments.push_back(std::make_shared<UnequalLine>());
    return run_rollouts_together(agent, environments,
                                 {.num_episodes = 11, .first_seed = 500, .num_threads = threads});
  };
  PlanningAgent one;
  const RolloutSummary expected = run(1, one);
  EXPECT_EQ(expected.episodes[3].length, 11);
  EXPECT_EQ(one.sizes, (std::vector<std::size_t>{4, 4, 3, 1, 4, 4, 2, 2, 3, 3}));
  for (const std::int64_t threads : {2, 3, 9}) {
    PlanningAgent several;
    const RolloutSummary found = run(threads, several);
    EXPECT_EQ(several.sizes, one.sizes);
    for (std::size_t i = 0; i < found.episodes.size(); ++i) {
      EXPECT_EQ(found.episodes[i].seed, expected.episodes[i].seed);
      EXPECT_EQ(found.episodes[i].length, expected.episodes[i].length);
      EXPECT_EQ(found.episodes[i].total_reward, expected.episodes[i].total_reward);
      EXPECT_EQ(found.episodes[i].success, expected.episodes[i].success);
    }
  }
}

// Its first step waits until both environments are in a step.
class Rendezvous : public LineEnvironment {
 public:
  explicit Rendezvous(std::latch& both) : both_(both) {}
  StepResult step(const at::Tensor& action, bool render) override {
    EXPECT_FALSE(at::GradMode::is_enabled());
    EXPECT_EQ(at::get_num_threads(), 1);
    if (!has_met_) both_.count_down();
    has_met_ = true;
    for (int i = 0; i < 5000 && !both_.try_wait(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_TRUE(both_.try_wait()) << "the other environment does not step at the same time";
    return LineEnvironment::step(action, render);
  }

 private:
  std::latch& both_;
  bool has_met_ = false;
};

TEST(RunRolloutsTogether, StepInParallelThreads) {
  std::latch both(2);
  PlanningAgent agent;
  const std::vector<std::shared_ptr<Environment>> environments = {
      std::make_shared<Rendezvous>(both), std::make_shared<Rendezvous>(both)};
  const auto summary =
      run_rollouts_together(agent, environments, {.num_episodes = 2, .num_threads = 2});
  EXPECT_EQ(summary.episodes[1].length, 12);
}

TEST(RunRolloutsTogether, ReportTheErrorOfAThread) {
  class Broken : public LineEnvironment {
   public:
    StepResult step(const at::Tensor&, bool) override { throw Error("the arm is stuck"); }
  };
  PlanningAgent agent;
  agent.train();
  const std::vector<std::shared_ptr<Environment>> environments = {
      std::make_shared<LineEnvironment>(), std::make_shared<Broken>()};
  EXPECT_EQ(error_text([&] {
              run_rollouts_together(agent, environments, {.num_episodes = 4, .num_threads = 2});
            }),
            "the arm is stuck");
  EXPECT_TRUE(agent.is_training());
  const RolloutOptions interrupted{
      .num_episodes = 4, .should_stop = [] { return true; }, .num_threads = 2};
  EXPECT_EQ(error_text([&] { run_rollouts_together(agent, environments, interrupted); }),
            "the evaluation was interrupted");
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

TEST(RunRolloutsTogether, MeasureAPlanWithoutTheOtherEpisodes) {
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

}  // namespace
}  // namespace roboimi
