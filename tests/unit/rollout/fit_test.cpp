#include "roboimi/rollout/fit.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <algorithm>

#include "roboimi/common/files.h"
#include "roboimi/contract/agent.h"
#include "roboimi/contract/environment.h"
#include "roboimi/contract/scene.h"
#include "roboimi/rollout/rollout.h"
#include "tests/acting_agent.h"
#include "tests/error_text.h"
#include "tests/unit/rollout/line_robot.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

// A scene with cameras of any names, one step long.
class SceneEnvironment : public Environment, public Scene {
 public:
  explicit SceneEnvironment(std::vector<std::string> observed, std::vector<std::string> others = {})
      : cameras_(std::move(others)) {
    spec_ = {.action_dim = 1, .control_hz = 20.0};
    for (const std::string& camera : observed) spec_.set(rgb_stream(camera, {8, 8}));
    spec_.set(vector_stream(kState, 1));
    cameras_.insert(cameras_.end(), observed.begin(), observed.end());
  }
  const ObservationSpec& spec() const override { return spec_; }
  std::int64_t max_steps() const override { return 1; }
  Scene* scene() override { return this; }
  double max_reward() const override { return 1.0; }
  std::vector<std::string> stage_names() const override { return {"none"}; }
  Observation reset(std::uint64_t, bool render) override { return observe(render); }
  Observation observe(bool render) override {
    Observation o{{"state", at::zeros({1})}};
    if (!render) return o;
    for (const std::string& camera : spec_.camera_names()) o[camera] = this->render(camera, shown);
    return o;
  }
  StepResult step(const at::Tensor&, bool render) override {
    return {.observation = observe(render), .truncated = true};
  }
  std::vector<std::array<double, 3>> end_effector_positions() const override { return {{}}; }
  std::vector<std::string> end_effector_names() const override { return {"point"}; }
  at::Tensor render(const std::string& camera, ImageSize size) override {
    if (std::find(cameras_.begin(), cameras_.end(), camera) == cameras_.end()) {
      throw Error({.what = "no camera '" + camera + "'"});
    }
    last_camera = camera;
    return at::zeros({size.height, size.width, 3}, at::kByte);
  }
  std::optional<std::array<double, 2>> project(const std::string& camera, ImageSize,
                                               const std::array<double, 3>&) const override {
    EXPECT_EQ(camera, last_camera);
    return std::array<double, 2>{1.0, 1.0};
  }

  ImageSize shown{8, 8};  // of the images in observations
  std::string last_camera;

 private:
  ObservationSpec spec_;
  std::vector<std::string> cameras_;
};

// Stands still.
class StillAgent : public ActingAgent {
 public:
  using ActingAgent::ActingAgent;
  at::Tensor act(const Observation&) override { return at::zeros({1}); }
};

// The same, and reads the given streams.
class ReadingAgent : public StillAgent {
 public:
  ReadingAgent(const ObservationSpec& spec, std::vector<std::string> streams)
      : StillAgent(spec), streams_(std::move(streams)) {}
  std::vector<std::string> stream_names() const override { return streams_; }

 private:
  std::vector<std::string> streams_;
};

TEST(RequireFit, NamesTheDifference) {
  const ObservationSpec policy = SceneEnvironment({"front"}).spec();
  const ReadingAgent agent(policy, {kState, "front"});
  const auto failure = [&](ObservationSpec environment) {
    return error_text([&] { require_fit(agent, environment); });
  };
  EXPECT_NO_THROW(require_fit(agent, policy));
  ObservationSpec other = policy;
  other.set(rgb_stream("front", {8, 16}));
  EXPECT_THAT(failure(other), HasSubstr("env: the policy does not fit the environment: camera "
                                        "'front' has 8x16 pixels instead of 8x8"));
  other = policy;
  other.set(vector_stream(kState, 2));
  EXPECT_THAT(failure(other), HasSubstr("state_dim is 2 instead of 1"));
  other = policy;
  other.action_dim = 7;
  EXPECT_THAT(failure(other), HasSubstr("action_dim is 7 instead of 1"));
  other = SceneEnvironment({"top"}).spec();
  EXPECT_THAT(failure(other), HasSubstr("camera 'front' is missing"));
}

TEST(RequireFit, ComparesOnlyTheStreamsThatTheAgentReads) {
  ObservationSpec data = SceneEnvironment({"front", "wrist"}).spec();
  data.set(vector_stream("force", 6));
  data.set(vector_stream(kEnvState, 4));
  const ObservationSpec environment = SceneEnvironment({"front"}).spec();
  EXPECT_NO_THROW(require_fit(ReadingAgent(data, {kState, "front"}), environment));
  const auto failure = [&](const std::string& stream) {
    const ReadingAgent agent(data, {"front", stream});
    return error_text([&] { require_fit(agent, environment); });
  };
  EXPECT_THAT(failure("wrist"), HasSubstr("camera 'wrist' is missing"));
  EXPECT_THAT(failure("force"), HasSubstr("stream 'force' is missing"));
  EXPECT_THAT(failure(kEnvState), HasSubstr("env_state_dim is 0 instead of 4"));
  // A state that only one of the two has does not matter to an agent that reads none.
  ObservationSpec longer = environment;
  longer.set(vector_stream(kState, 9));
  EXPECT_NO_THROW(require_fit(ReadingAgent(data, {"front"}), longer));
}

TEST(RequireFit, ComparesKnownControlRates) {
  const ObservationSpec spec = SceneEnvironment({"front"}).spec();
  const StillAgent policy(spec);
  ObservationSpec environment = spec;
  environment.control_hz = 50.0;
  EXPECT_THAT(error_text([&] { require_fit(policy, environment); }),
              HasSubstr("control rate is 50 Hz instead of 20 Hz"));
  environment.control_hz = 20.3;  // measured
  EXPECT_NO_THROW(require_fit(policy, environment));
  environment.control_hz = 0.0;
  EXPECT_NO_THROW(require_fit(policy, environment));
}

TEST(FilmingCamera, IsTheOverviewOrTheFrontOfTheSceneOrTheFirstOfTheObservation) {
  SceneEnvironment seen({"top", "front"}), unseen({"top"}, {"front"}), other({"wrist", "top"}),
      none({}), wide({"front"}, {"overview"});
  EXPECT_EQ(filming_camera(wide), "overview");
  EXPECT_EQ(filming_camera(seen), "front");
  EXPECT_EQ(filming_camera(unseen), "front");
  EXPECT_EQ(filming_camera(other), "wrist");
  EXPECT_EQ(filming_camera(none), std::nullopt);
}

TEST(FilmingCamera, IsEmptyForARobot) {
  LineRobot robot;
  EXPECT_EQ(filming_camera(robot), std::nullopt);
}

TEST(TryEnvironment, DoesNotMoveARobot) {
  LineRobot robot;
  EXPECT_NO_THROW(try_environment(robot, 1, /*with_images=*/true, /*films=*/true));
  EXPECT_EQ(robot.num_resets, 0);
  EXPECT_EQ(robot.frames_drawn, 0);
}

TEST(TryEnvironment, FindsErrorsOfTheFirstRollout) {
  SceneEnvironment fits({"wrist"}), wrong({"wrist"});
  EXPECT_NO_THROW(try_environment(fits, 1, true, true));
  wrong.shown = {8, 16};
  EXPECT_NO_THROW(try_environment(wrong, 1, false, true));
  EXPECT_THAT(error_text([&] { try_environment(wrong, 1, true, true); }),
              HasSubstr("env: the environment's image of camera 'wrist' differs from its spec: "
                        "expected uint8 [8, 8, 3]"));
  class Blind : public SceneEnvironment {
   public:
    using SceneEnvironment::SceneEnvironment;
    at::Tensor render(const std::string&, ImageSize) override { throw Error("no OpenGL"); }
  } blind({"wrist"}), blind_front({"front"});
  EXPECT_EQ(error_text([&] { try_environment(blind, 1, true, true); }), "no OpenGL");
  EXPECT_EQ(error_text([&] { try_environment(blind, 1, false, true); }), "no OpenGL");
  EXPECT_EQ(error_text([&] { try_environment(blind_front, 1, false, true); }), "no OpenGL");
  EXPECT_NO_THROW(try_environment(blind, 1, false, false));
}

TEST(RunRollouts, UseACameraThatExists) {
  const fs::path folder = fs::path(::testing::TempDir()) / "roboimi_fit_test";
  fs::remove_all(folder);
  SceneEnvironment environment({"wrist"});
  StillAgent agent(environment.spec());
  run_rollouts(agent, environment,
               {.num_episodes = 1, .output_folder = folder / "wrist", .num_videos = 1});
  EXPECT_EQ(environment.last_camera, "wrist");
  EXPECT_GT(fs::file_size(folder / "wrist" / "episode_000.mp4"), 100u);
  EXPECT_GT(fs::file_size(folder / "wrist" / "trajectory_000.png"), 100u);

  SceneEnvironment dark({});
  StillAgent blind(dark.spec());
  run_rollouts(blind, dark, {.num_episodes = 1, .output_folder = folder / "dark", .num_videos = 1});
  EXPECT_TRUE(fs::exists(folder / "dark" / "trajectory_000.csv"));
  EXPECT_FALSE(fs::exists(folder / "dark" / "trajectory_000.png"));
  EXPECT_FALSE(fs::exists(folder / "dark" / "episode_000.mp4"));
  fs::remove_all(folder);
}

}  // namespace
}  // namespace roboimi
