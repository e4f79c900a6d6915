#include "roboimi/rollout/open_loop.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "roboimi/common/error.h"
#include "roboimi/common/interrupted.h"
#include "roboimi/contract/agent.h"
#include "roboimi/contract/dataset.h"
#include "tests/acting_agent.h"
#include "tests/error_text.h"
#include "tests/unit/data/table_dataset.h"

namespace roboimi {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

// Commands the recorded action of TableDataset at the observed state, plus `offset`. Needs the
// image of every second step.
class Imitator : public ActingAgent {
 public:
  Imitator(const ObservationSpec& spec, double offset) : ActingAgent(spec, {}), offset_(offset) {}
  std::unique_ptr<Actor> make_actor(const ActorOptions& options) override {
    return is_mute ? nullptr : ActingAgent::make_actor(options);
  }
  void reset(std::uint64_t seed) override {
    seeds.push_back(seed);
    step_ = 0;
  }
  bool needs_images() const override { return step_ % 2 == 0; }
  at::Tensor act(const Observation& observation) override {
    EXPECT_EQ(observation.contains("front"), needs_images());
    EXPECT_EQ(observation.env_state().size(0), 2);
    EXPECT_FALSE(is_training());
    if (needs_images()) images.push_back(observation.at("front"));
    states.push_back(observation.state().item<double>());
    ++step_;
    return -observation.state() + offset_ + zigzag * static_cast<double>(step_ % 2);
  }

  void set_horizons(const Horizons& horizons) { horizons_ = horizons; }

  bool is_mute = false;
  double zigzag = 0.0;
  std::vector<std::uint64_t> seeds;
  std::vector<double> states;
  std::vector<at::Tensor> images;

 private:
  double offset_;
  std::int64_t step_ = 0;
};

class OpenLoop : public ::testing::Test {
 protected:
  ~OpenLoop() override { fs::remove_all(folder_); }
  fs::path folder_ = fs::temp_directory_path() / ("open_loop_" + std::to_string(::getpid()));
  TableDataset data_{folder_, {3, 4, 2}, {"front"}};
};

TEST_F(OpenLoop, ReplaysTheRecordedStepsAndMeasuresTheCommands) {
  Imitator agent(data_.spec(), 0.5);
  agent.train();
  const OpenLoopError error = open_loop_error(agent, data_, {1, 2}, {.seed = 7});
  EXPECT_THAT(agent.states, ElementsAre(100, 101, 102, 103, 200, 201));
  ASSERT_EQ(agent.images.size(), 3u);
  EXPECT_TRUE(at::equal(agent.images[1], data_.read(1, "front", 2, 1)[0]));
  ASSERT_EQ(error.episodes.size(), 2u);
  EXPECT_EQ(error.episodes[0].index, 1);
  EXPECT_EQ(error.episodes[0].num_steps, 4);
  EXPECT_NEAR(error.rms().item<double>(), 0.5, 1e-12);
  EXPECT_NE(agent.seeds[0], agent.seeds[1]);
  EXPECT_TRUE(agent.is_training());
}

TEST_F(OpenLoop, WeightsEpisodesByTheirLength) {
  OpenLoopError error;
  error.episodes = {{.index = 0, .num_steps = 3, .mean_square = at::full({1}, 4.0, at::kDouble)},
                    {.index = 1, .num_steps = 1, .mean_square = at::zeros({1}, at::kDouble)}};
  EXPECT_NEAR(error.rms().item<double>(), std::sqrt(3.0), 1e-12);
}

TEST_F(OpenLoop, NormalizesByHalfOfEachDimensionsRange) {
  OpenLoopError error;
  error.episodes = {{.num_steps = 5, .mean_square = at::tensor({4.0, 9.0, 16.0}, at::kDouble)}};
  // Half ranges 2 and 6. The third dimension never moves and is not scaled.
  const ActionRange range{.min = {-2.0, 0.0, 1.0}, .max = {2.0, 12.0, 1.0}};
  const double expected = std::sqrt((1.0 + 0.25 + 16.0) / 3);
  EXPECT_NEAR(error.normalized_rms(range), expected, 1e-12);
  EXPECT_NEAR(OpenLoopError::normalized_rms(error.episodes[0], range), expected, 1e-12);
}

TEST_F(OpenLoop, ComparesRoughnessDimensionByDimension) {
  OpenLoopError error;
  error.episodes = {{.num_steps = 3,
                     .mean_square = at::zeros({2}, at::kDouble),
                     .command_roughness = at::tensor({9.0, 72.0}, at::kDouble),
                     .recorded_roughness = at::tensor({1.0, 8.0}, at::kDouble)}};
  EXPECT_NEAR(error.roughness_ratio({.min = {0.0, 0.0}, .max = {2.0, 4.0}}), 3.0, 1e-12);
}

TEST_F(OpenLoop, MeasuresSecondDifferences) {
  // Offsets 0, 1, 0, 1 to the demonstrator's straight line: their second differences are -2 and 2.
  Imitator agent(data_.spec(), 0.0);
  agent.zigzag = 1.0;
  const OpenLoopError error = open_loop_error(agent, data_, {1, 2}, {});
  EXPECT_NEAR(error.episodes[0].command_roughness.item<double>(), 4.0, 1e-4);
  EXPECT_NEAR(error.episodes[0].recorded_roughness.item<double>(), 0.0, 1e-12);
  // Two steps have no second difference.
  EXPECT_EQ(error.episodes[1].command_roughness.item<double>(), 0.0);
}

TEST_F(OpenLoop, RejectsDataThatCannotBeCompared) {
  const auto error_of = [&](Imitator& agent, const std::vector<std::int64_t>& episodes) {
    return error_text([&] { open_loop_error(agent, data_, episodes, {}); });
  };
  Imitator agent(data_.spec(), 0.0);
  EXPECT_THAT(error_of(agent, {3}), HasSubstr("expected 0 .. 2; found 3"));
  EXPECT_THAT(error_of(agent, {}), HasSubstr("no episodes"));
  ObservationSpec other = data_.spec();
  other.action_dim = 7;
  Imitator stranger(other, 0.0);
  EXPECT_THAT(error_of(stranger, {0}), HasSubstr("does not fit the data"));
  agent.is_mute = true;
  EXPECT_THAT(error_of(agent, {0}), HasSubstr("does not act"));
}

// Reads rows of another number than the spec promises.
class ShortDataset : public TableDataset {
 public:
  using TableDataset::TableDataset;
  at::Tensor actions(std::int64_t e) const override {
    const at::Tensor rows = TableDataset::actions(e);
    return short_actions ? rows.slice(0, 1) : rows;
  }
  at::Tensor read(std::int64_t e, const std::string& stream, std::int64_t first,
                  std::int64_t count) const override {
    return TableDataset::read(e, stream, first, short_actions ? count : count - 1);
  }
  bool short_actions = true;
};

TEST_F(OpenLoop, NamesTheFileOfADatasetThatReadsAnotherNumberOfRows) {
  ShortDataset data(folder_ / "short", {3, 4}, {"front"});
  Imitator agent(data.spec(), 0.0);
  const auto text = [&] { return error_text([&] { open_loop_error(agent, data, {1}, {}); }); };
  EXPECT_THAT(text(), HasSubstr("episode_1.raw: actions() of the dataset"));
  data.short_actions = false;
  EXPECT_THAT(text(), HasSubstr("episode_1.raw: read('"));
}

TEST_F(OpenLoop, StopsOnRequest) {
  Imitator agent(data_.spec(), 0.0);
  EXPECT_THROW(open_loop_error(agent, data_, {0}, {.should_stop = [] { return true; }}),
               Interrupted);
}

}  // namespace
}  // namespace roboimi
