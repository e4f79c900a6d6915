#include "roboimi/rollout/rollout.h"

#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/random.h"
#include "roboimi/contract/agent.h"
#include "roboimi/contract/environment.h"
#include "roboimi/contract/scene.h"
#include "roboimi/rollout/controls.h"
#include "tests/acting_agent.h"
#include "tests/error_text.h"
#include "tests/unit/rollout/line_robot.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
namespace fs = std::filesystem;

// Moves by a constant. Needs every fourth image.
class ConstantAgent : public ActingAgent {
 public:
  explicit ConstantAgent(double speed) : ActingAgent(LineEnvironment().spec()), speed_(speed) {
    frozen = register_module("frozen", torch::nn::Dropout(0.5));
  }
  void reset(std::uint64_t seed) override {
    seeds.push_back(seed);
    step_ = 0;
  }
  bool needs_images() const override { return step_ % 4 == 0; }
  at::Tensor act(const Observation& o) override {
    EXPECT_FALSE(frozen->is_training());
    EXPECT_EQ(o.images().size(), needs_images() ? 1u : 0u);
    ++step_;
    return at::full({1}, speed_);
  }
  std::vector<std::uint64_t> seeds;
  torch::nn::Dropout frozen{nullptr};

 private:
  double speed_;
  int step_ = 0;
};

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

// Plans chunks of four steps; counts how many plans were sampled at once.
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

 private:
  class Planner : public Actor {
   public:
    explicit Planner(PlanningAgent& agent) : agent_(agent) {}
    void reset(std::uint64_t seed) override {
      seed_ = seed;
      step_ = 0;
    }
    bool needs_images() const override { return false; }
    void observe(const Observation&) override { is_planned_ = step_ % 4 != 0; }
    bool wants_plan() const override { return !is_planned_; }
    PlanRequest plan_request() override {
      is_planned_ = true;
      return {.noise = make_generator(mix_seed(seed_, static_cast<std::uint64_t>(step_)))};
    }
    void accept(const at::Tensor& chunk) override { chunk_ = chunk; }
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
  EXPECT_THROW(run_rollouts(agent, environment, interrupted), Error);
  EXPECT_EQ(agent.rests, 2);
  EXPECT_TRUE(agent.is_training());
}

TEST(RunRollouts, WriteTablesImagesAndVideos) {
  const fs::path folder =
      fs::temp_directory_path() / ("roboimi_rollout_" + std::to_string(::getpid()));
  ConstantAgent agent(0.35);
  LineEnvironment environment;
  run_rollouts(agent, environment,
               {.num_episodes = 2, .first_seed = 500, .output_folder = folder, .num_videos = 1});
  const auto json = nlohmann::json::parse(read_text(folder / "summary.json"));
  EXPECT_EQ(json["num_episodes"], 2);
  EXPECT_DOUBLE_EQ(json["success_rate"].get<double>(), 0.5);
  for (const char* key :
       {"obs_read_ms", "preprocess_ms", "inference_ms", "env_step_ms", "loop_total_ms"}) {
    EXPECT_GE(json["timings"][key].get<double>(), 0.0) << key;
  }
  EXPECT_THAT(read_text(folder / "episodes.csv"), HasSubstr("501,1,0,4,"));
  EXPECT_THAT(read_text(folder / "episodes.csv"), HasSubstr(",1,there,12\n"));
  for (const char* name : {"trajectory_000.png", "trajectory_001.png", "episode_000.mp4"}) {
    EXPECT_GT(fs::file_size(folder / name), 100u) << name;
  }
  EXPECT_FALSE(fs::exists(folder / "episode_001.mp4"));
  const std::string path = read_text(folder / "trajectory_001.csv");
  EXPECT_THAT(path, StartsWith("step,point_x,point_y,point_z,state_0\n"
                               "0,1.000000,0.000000,0.000000,1.000000\n"
                               "1,1.350000,0.000000,0.000000,1.350000\n"));
  EXPECT_EQ(std::count(path.begin(), path.end(), '\n'), 1 + 13);  // the start and twelve steps
  fs::remove_all(folder);
}

TEST(RunRollouts, OfARobotWriteOnlyTables) {
  const fs::path folder =
      fs::temp_directory_path() / ("roboimi_robot_rollout_" + std::to_string(::getpid()));
  ConstantAgent agent(0.4);  // 12 steps: 5.05 from 0.25, 5.3 from 0.5
  LineRobot robot;
  const auto summary = run_rollouts(
      agent, robot,
      {.num_episodes = 2, .first_seed = 500, .output_folder = folder, .num_videos = 2});
  EXPECT_DOUBLE_EQ(summary.success_rate(), 1.0);
  EXPECT_EQ(summary.episodes[0].stage, 1);
  EXPECT_EQ(summary.episodes[0].stage_name, "");
  EXPECT_THAT(read_text(folder / "episodes.csv"), HasSubstr(",1,,12\n"));
  EXPECT_THAT(read_text(folder / "trajectory_001.csv"),
              StartsWith("step,state_0\n0,0.500000\n1,0.900000\n"));
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    names.push_back(entry.path().filename().string());
  }
  EXPECT_THAT(names, ::testing::UnorderedElementsAre("summary.json", "episodes.csv",
                                                     "trajectory_000.csv", "trajectory_001.csv"));
  fs::remove_all(folder);
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

TEST(EpisodeOutcome, SurvivesConversionToJson) {
  const EpisodeOutcome sent{.seed = 1099,
                            .success = true,
                            .highest_reward = 0.1 + 0.2,
                            .total_reward = 1e-17,
                            .stage = 4,
                            .stage_name = "held, \"there\"",
                            .length = 200,
                            .timings = {.inference_ms = 1.0 / 3},
                            .plans = {.count = 25, .late = 2, .total_ms = 7.5, .max_ms = 0.7}};
  const EpisodeOutcome got = EpisodeOutcome::from_json(sent.to_json());
  EXPECT_EQ(sent.to_json().find('\n'), std::string::npos);
  EXPECT_EQ(got.to_json(), sent.to_json());
  EXPECT_EQ(got.highest_reward, sent.highest_reward);
  EXPECT_EQ(got.timings.inference_ms, sent.timings.inference_ms);
}

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

// Reference values: statsmodels' proportion_confint(k, n, method="wilson").
TEST(WilsonInterval, MatchesAReferenceImplementation) {
  EXPECT_NEAR(wilson_interval(8, 10).first, 0.49016247153664183, 1e-12);
  EXPECT_NEAR(wilson_interval(8, 10).second, 0.9433178485456247, 1e-12);
  EXPECT_EQ(wilson_interval(0, 10).first, 0.0);
  EXPECT_NEAR(wilson_interval(0, 10).second, 0.2775327998628892, 1e-12);
  EXPECT_EQ(wilson_interval(0, 0), (std::pair<double, double>{0.0, 1.0}));
}

}  // namespace
}  // namespace roboimi
