// The files of rollouts: tables, images, videos and the summary.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "roboimi/common/files.h"
#include "roboimi/rollout/rollout.h"
#include "tests/error_text.h"
#include "tests/unit/rollout/constant_agent.h"
#include "tests/unit/rollout/line_robot.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
namespace fs = std::filesystem;

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

// A simulator whose image shows the position and counts as a drawn frame.
class VisiblePoint : public LineEnvironment {
 public:
  Observation observe(bool render) override {
    Observation o = LineEnvironment::observe(render);
    if (render) o["front"].fill_(25.0 * o.state()[0].item<double>());
    return o;
  }
};

TEST(RunRollouts, FilmTheImagesThatThePolicySeesWithoutRenderingThemAgain) {
  class SeeingAgent : public ConstantAgent {
   public:
    SeeingAgent(double speed, bool sees) : ConstantAgent(speed), sees_(sees) {}
    bool needs_images() const override { return sees_; }

   private:
    bool sees_;
  };
  const fs::path folder =
      fs::temp_directory_path() / ("roboimi_filmed_rollout_" + std::to_string(::getpid()));
  const auto film = [&](bool sees, const std::string& name) {
    SeeingAgent agent(0.35, sees);
    VisiblePoint environment;
    run_rollouts(agent, environment,
                 {.num_episodes = 1, .first_seed = 500, .output_folder = folder / name});
    EXPECT_EQ(environment.frames_drawn, 12 + 1);  // one per step, and the last state
    return read_text(folder / name / "episode_000.mp4");
  };
  const std::string reused = film(true, "seeing"), rendered = film(false, "blind");
  EXPECT_GT(reused.size(), 1000u);
  EXPECT_TRUE(reused == rendered) << "the videos differ";
  fs::remove_all(folder);
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

TEST(EpisodeOutcome, MayHaveARewardThatIsNotFinite) {
  const EpisodeOutcome sent{.total_reward = -std::numeric_limits<double>::infinity()};
  EXPECT_TRUE(std::isnan(EpisodeOutcome::from_json(sent.to_json()).total_reward));
}

TEST(EpisodeOutcome, RefusesALineThatIsNone) {
  EXPECT_THAT(error_text([] { EpisodeOutcome::from_json("a plugin's print"); }),
              HasSubstr("found 'a plugin's print'"));
  EXPECT_THAT(error_text([] { EpisodeOutcome::from_json(R"({"seed": 1})"); }),
              HasSubstr("cannot read the outcome of an episode"));
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
