// Tests of the environment and dataset checks: correct components pass all, and each fault is found
// by its check.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "roboimi/common/error.h"
#include "roboimi/common/random.h"
#include "roboimi/contract/environment.h"
#include "roboimi/contract/scene.h"
#include "roboimi/testing/dataset_checks.h"
#include "roboimi/testing/environment_checks.h"
#include "tests/unit/rollout/line_robot.h"
#include "tests/unit/testing/failing_checks.h"

namespace roboimi::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::string kNothing = "nothing";

enum class EnvironmentFault {
  kNone,
  kWrongState,
  kDrawsUnasked,
  kUnseeded,
  kOneSeed,
  kNeverEnds,
  kGoesOnAfterTheEnd,
  kStepsBeforeReset,
  kAcceptsNan,
  kOneSize,
  kLookingMoves,
  kNoStages,
  kUnnamedStage,
  kRewardTooHigh,
  kNamelessPoint,
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
    if (fault_ == EnvironmentFault::kLookingMoves && render) state_ = state_ + 0.1;
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
    if (render || fault_ == EnvironmentFault::kDrawsUnasked) {
      observation["top"] = this->render("top", {8, 12});
    }
    return observation;
  }

  std::vector<std::array<double, 3>> end_effector_positions() const override { return {{0, 0, 0}}; }
  std::vector<std::string> end_effector_names() const override {
    if (fault_ == EnvironmentFault::kNamelessPoint) return {};
    return {"point"};
  }
  at::Tensor render(const std::string& camera, ImageSize size) override {
    if (camera != "top") throw Error("no camera '" + camera + "'");
    if (fault_ == EnvironmentFault::kOneSize) size = {8, 12};
    return at::full({size.height, size.width, 3}, 9, at::kByte);
  }
  std::optional<std::array<double, 2>> project(const std::string&, ImageSize,
                                               const std::array<double, 3>&) const override {
    return std::nullopt;
  }

 private:
  EnvironmentFault fault_;
  ObservationSpec spec_;
  at::Tensor state_ = at::zeros({2});
  std::int64_t steps_ = 0, count_ = 0;
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
    ::testing::Values(std::pair(EnvironmentFault::kWrongState, "observations_fit_the_spec"),
                      std::pair(EnvironmentFault::kDrawsUnasked, "observations_fit_the_spec"),
                      std::pair(EnvironmentFault::kUnseeded, "seed_decides_the_episode"),
                      std::pair(EnvironmentFault::kOneSeed, "seeds_differ"),
                      std::pair(EnvironmentFault::kNeverEnds, "episodes_end"),
                      std::pair(EnvironmentFault::kGoesOnAfterTheEnd, "episodes_end"),
                      std::pair(EnvironmentFault::kStepsBeforeReset, "step_needs_a_reset"),
                      std::pair(EnvironmentFault::kAcceptsNan, "bad_actions_are_refused"),
                      std::pair(EnvironmentFault::kOneSize, "renders_any_size"),
                      std::pair(EnvironmentFault::kLookingMoves, "rendering_changes_nothing"),
                      std::pair(EnvironmentFault::kNoStages, "scene_is_complete"),
                      std::pair(EnvironmentFault::kUnnamedStage, "episodes_end"),
                      std::pair(EnvironmentFault::kRewardTooHigh, "episodes_end"),
                      std::pair(EnvironmentFault::kNamelessPoint, "end_effectors_have_names")));

// There is only one robot, so a check must not create a second environment at the same time.
class OneRobot : public EnvironmentSubject {
 public:
  std::shared_ptr<Environment> make() const override {
    EXPECT_TRUE(last_.expired()) << "two robots at once";
    const auto robot = std::make_shared<LineRobot>();
    last_ = robot;
    return robot;
  }

 private:
  mutable std::weak_ptr<Environment> last_;
};

TEST(EnvironmentKit, PassesARobotAndSkipsChecksThatNeedAScene) {
  EXPECT_THAT(failing_checks(environment_checks(), OneRobot()), IsEmpty());
  EXPECT_THAT(
      checks_that(CheckStatus::kSkipped, environment_checks(), OneRobot()),
      ElementsAre("renders_any_size", "end_effectors_have_names", "rendering_changes_nothing",
                  "scene_is_complete", "seed_decides_the_episode", "seeds_differ"));
}

enum class DataFault {
  kNone,
  kNoSize,
  kShortActions,
  kOtherFrame,
  kOtherOrder,
  kBeyondTheEnd,
  kMapsOtherBytes,
  kOneReader,
};

class FaultyDataset : public Dataset {
 public:
  FaultyDataset(DataFault fault, int reader) : fault_(fault), reader_(reader) {
    const ImageSize size = fault == DataFault::kNoSize ? ImageSize{} : ImageSize{4, 5};
    spec_ = {.streams = {rgb_stream("top", size), vector_stream(kState, 2)}, .action_dim = 3};
    episode_ = {.file = "a", .length = 6};
  }
  const ObservationSpec& spec() const override { return spec_; }
  std::int64_t num_episodes() const override { return 1; }
  const EpisodeInfo& episode(std::int64_t) const override { return episode_; }
  at::Tensor actions(std::int64_t) const override {
    const double value = fault_ == DataFault::kOtherOrder ? reader_ : among_others();
    return at::full({fault_ == DataFault::kShortActions ? 5 : 6, 3}, value, at::kFloat);
  }
  std::optional<FrameExtent> frame_extent(std::int64_t, const std::string& stream,
                                          std::int64_t) const override {
    if (fault_ != DataFault::kMapsOtherBytes || stream != "top") return std::nullopt;
    // Any sufficiently large file with other contents.
    return FrameExtent{.file = ROBOIMI_SOURCE_DIR "/LICENSE"};
  }
  at::Tensor read(std::int64_t, const std::string& stream, std::int64_t first,
                  std::int64_t count) const override {
    if (stream != "top" && stream != kState) throw Error("no stream '" + stream + "'");
    if (first + count > 6 && fault_ != DataFault::kBeyondTheEnd) throw Error("beyond the end");
    if (stream == kState) return at::ones({count, 2});
    at::Tensor frames = at::empty({count, 4, 5, 3}, at::kByte);
    for (std::int64_t i = 0; i < count; ++i) {
      frames[i].fill_(fault_ == DataFault::kOtherFrame ? i : first + i);
    }
    return frames;
  }

 private:
  // The fault: returns 1 instead of 0 if another thread is reading at the same time.
  double among_others() const {
    if (fault_ != DataFault::kOneReader) return 0.0;
    const bool is_alone = readers_++ == 0;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    --readers_;
    return is_alone ? 0.0 : 1.0;
  }
  mutable std::atomic<int> readers_ = 0;
  DataFault fault_;
  int reader_;
  ObservationSpec spec_;
  EpisodeInfo episode_;
};

class FaultyData : public DatasetSubject {
 public:
  explicit FaultyData(DataFault fault) : fault_(fault) {}
  std::shared_ptr<Dataset> make() const override {
    return std::make_shared<FaultyDataset>(fault_, readers_++);
  }

 private:
  DataFault fault_;
  mutable int readers_ = 0;
};

TEST(DatasetKit, PassesADatasetWithoutAFaultAndFindsEachFault) {
  const auto failing = [](DataFault fault) {
    return failing_checks(dataset_checks(), FaultyData(fault));
  };
  EXPECT_THAT(failing(DataFault::kNone), IsEmpty());
  EXPECT_THAT(failing(DataFault::kNoSize), Contains("spec_is_complete"));
  EXPECT_THAT(failing(DataFault::kShortActions), Contains("rows_fit_the_spec"));
  EXPECT_THAT(failing(DataFault::kOtherFrame), Contains("frames_fit_the_spec"));
  EXPECT_THAT(failing(DataFault::kOtherOrder), Contains("reading_twice_gives_the_same"));
  EXPECT_THAT(failing(DataFault::kBeyondTheEnd), Contains("missing_streams_and_rows_are_refused"));
  EXPECT_THAT(failing(DataFault::kMapsOtherBytes), Contains("mapped_frames_equal_decoded_frames"));
  EXPECT_THAT(failing(DataFault::kOneReader), Contains("threads_may_read_at_once"));
}

}  // namespace
}  // namespace roboimi::testing
