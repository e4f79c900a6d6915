// The recording of one episode by an environment's expert.
#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "roboimi/common/error.h"
#include "roboimi/contract/environment.h"
#include "roboimi/contract/scene.h"
#include "roboimi/rollout/collect.h"
#include "tests/error_text.h"
#include "tests/unit/rollout/line_robot.h"

namespace roboimi {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The state is the number of the step. The task ends after five.
class CountingEnvironment : public Environment, public Scene {
 public:
  class CountingExpert : public Expert {
   public:
    CountingExpert(CountingEnvironment& environment, double noise)
        : environment_(environment), noise_(noise) {}
    at::Tensor act() override {
      return at::full({2}, static_cast<double>(environment_.step_) + noise_, at::kDouble);
    }

   private:
    CountingEnvironment& environment_;
    double noise_;
  };

  const ObservationSpec& spec() const override { return spec_; }
  std::int64_t max_steps() const override { return 5; }
  Scene* scene() override { return this; }
  double max_reward() const override { return 1; }
  std::vector<std::string> stage_names() const override { return {"start"}; }
  Observation reset(std::uint64_t seed, bool render) override {
    seed_ = seed;
    step_ = 0;
    return observe(render);
  }
  StepResult step(const at::Tensor& action, bool render) override {
    EXPECT_EQ(action[0].item<double>(), static_cast<double>(step_) + 0.5);
    ++step_;
    StepResult result;
    result.observation = observe(render);
    result.truncated = step_ == max_steps();
    result.info.success = step_ == 3;
    return result;
  }
  Observation observe(bool render) override {
    Observation observation;
    observation["state"] = at::full({3}, static_cast<double>(step_), at::kFloat);
    if (render) {
      ++num_rendered;
      observation["front"] = at::full({2, 2, 3}, step_, at::kByte);
    }
    return observation;
  }
  std::unique_ptr<Expert> make_expert(double noise, std::uint64_t seed) override {
    EXPECT_EQ(seed, seed_);
    return has_expert ? std::make_unique<CountingExpert>(*this, noise) : nullptr;
  }
  std::vector<std::array<double, 3>> end_effector_positions() const override {
    return {{0.5, static_cast<double>(step_), 0.0}};
  }
  std::vector<std::string> end_effector_names() const override { return {"tip"}; }
  at::Tensor render(const std::string&, ImageSize size) override {
    return at::zeros({size.height, size.width, 3}, at::kByte);
  }
  std::optional<std::array<double, 2>> project(const std::string&, ImageSize,
                                               const std::array<double, 3>&) const override {
    return std::nullopt;
  }

  bool has_expert = true;
  int num_rendered = 0;

 private:
  ObservationSpec spec_{.streams = {rgb_stream("front", {2, 2}), vector_stream(kState, 3)},
                        .action_dim = 1,
                        .control_hz = 20.0};
  std::uint64_t seed_ = 0;
  std::int64_t step_ = 0;
};

TEST(RecordEpisode, PairsEachObservationWithTheNextAction) {
  CountingEnvironment environment;
  const EpisodeRecord record = record_episode(environment, 42, 0.5);
  EXPECT_TRUE(at::equal(record.observations.state().select(1, 0), at::arange(5, at::kFloat)));
  EXPECT_TRUE(at::equal(record.actions.select(1, 0), at::arange(5, at::kFloat) + 0.5));
  EXPECT_THAT(record.observations.at("front").sizes(), ElementsAre(5, 2, 2, 3));
  EXPECT_TRUE(at::equal(record.observations.at("front").select(1, 0).select(1, 0).select(1, 0),
                        at::arange(5, at::kByte)));
  EXPECT_FALSE(record.observations.env_state().defined());
  ASSERT_EQ(record.labels.size(), 1U);
  EXPECT_THAT(record.labels.at("tip_position").sizes(), ElementsAre(5, 3));
  EXPECT_TRUE(at::equal(record.labels.at("tip_position").select(1, 1), at::arange(5, at::kFloat)));
  EXPECT_EQ(record.seed, 42U);
  EXPECT_EQ(record.control_hz, 20.0);
  EXPECT_EQ(record.success, true) << "met at one step is met";
  EXPECT_EQ(environment.num_rendered, 5) << "what follows the last action is not drawn";
}

TEST(RecordEpisode, NeedsAnExpert) {
  CountingEnvironment environment;
  environment.has_expert = false;
  EXPECT_EQ(error_text([&] { record_episode(environment, 1, 0.0); }),
            "env: this environment has no scripted expert: expected a simulator whose scene has an "
            "expert; found a scene without an expert; choose another env.type; to use "
            "demonstrations recorded on a robot, read them with a dataset plugin");
}

TEST(RecordEpisode, RejectsARobotBeforeItMoves) {
  LineRobot robot;
  EXPECT_THAT(error_text([&] { record_episode(robot, 1, 0.0); }),
              HasSubstr("env: this environment has no scripted expert: expected a simulator whose "
                        "scene has an expert; found an environment without a scene, such as a "
                        "robot; choose another env.type"));
  EXPECT_EQ(robot.num_resets, 0);
}

TEST(StartDemonstration, ReturnsTheFirstObservationAndTheExpert) {
  CountingEnvironment environment;
  const Demonstration demonstration = start_demonstration(environment, 42, 0.5);
  EXPECT_EQ(demonstration.first.images().size(), 1U);
  EXPECT_EQ(demonstration.expert->act()[0].item<double>(), 0.5);
}

}  // namespace
}  // namespace roboimi
