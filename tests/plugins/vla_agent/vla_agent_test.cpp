#include "plugins/vla_agent/vla_agent.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "roboimi/common/error.h"
#include "roboimi/common/random.h"
#include "roboimi/model/backbone.h"

namespace roboimi::vla_agent {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kState = 3;
constexpr std::int64_t kAction = 2;
constexpr std::int64_t kHorizon = 16;

// Encodes an image as its mean, one number a camera, and counts its calls.
class MeanBackbone : public Backbone {
 public:
  explicit MeanBackbone(std::vector<std::string> cameras = {"front", "top"})
      : cameras_(std::move(cameras)) {}
  const std::vector<std::string>& camera_names() const override { return cameras_; }
  std::int64_t output_dim() const override { return 1; }
  bool frozen() const override { return true; }
  at::Tensor encode(const Images& images, at::Generator&) override {
    ++calls;
    std::vector<at::Tensor> means;
    for (const at::Tensor& image : ordered_images(images)) {
      means.push_back(image.to(at::kFloat).mean({2, 3, 4}));
    }
    return at::stack(means, 2);
  }
  int calls = 0;

 private:
  std::vector<std::string> cameras_;
};

// A linear head. Its samples carry the index in the chunk in dimension 0 and, in dimension 1, what
// the condition ended with, plus noise where asked for.
class IndexHead : public Head {
 public:
  explicit IndexHead(HeadSpec spec) : spec_(spec) {
    linear_ = register_module(
        "linear", torch::nn::Linear(spec.global_cond_dim(), spec.pred_horizon * spec.action_dim));
  }
  const HeadSpec& spec() const override { return spec_; }
  LossReport loss(const at::Tensor& actions, const at::Tensor& cond, const at::Tensor& is_pad,
                  at::Generator&) override {
    check_loss_arguments(actions, cond, is_pad);
    const at::Tensor error = linear_(cond.flatten(1)).view_as(actions) - actions;
    return {.loss = (error.square() * (~is_pad).unsqueeze(2)).mean()};
  }
  at::Tensor sample(const at::Tensor& cond, at::Generator& generator) override {
    check_sample_arguments(cond);
    last_cond = cond.clone();
    at::Tensor chunk = at::zeros({cond.size(0), spec_.pred_horizon, spec_.action_dim});
    chunk.select(2, 0).copy_(at::arange(spec_.pred_horizon).to(at::kFloat));
    chunk.select(2, 1).copy_(at::randn({cond.size(0), spec_.pred_horizon}, generator));
    return chunk;
  }
  bool clips_actions() const override { return clips; }
  at::Tensor last_cond;
  bool clips = false;

 private:
  HeadSpec spec_;
  torch::nn::Linear linear_{nullptr};
};

ObservationSpec spec() {
  return {.camera_names = {"top", "front"},
          .images = {{"top", {4, 4}}, {"front", {4, 4}}},
          .state_dim = kState,
          .action_dim = kAction,
          .env_state_dim = 0,
          .control_hz = 20.0};
}

Statistics identity_statistics(std::int64_t dim) {
  return {at::full({dim}, -1.0), at::ones({dim}), at::zeros({dim}), at::ones({dim})};
}

struct Fixture {
  std::shared_ptr<MeanBackbone> backbone = std::make_shared<MeanBackbone>();
  std::shared_ptr<IndexHead> head;
  std::shared_ptr<VlaAgent> agent;

  explicit Fixture(Horizons horizons = {2, kHorizon, 8, Alignment::kDiffusion},
                   bool with_statistics = true, VlaAgentOptions options = {}) {
    SeededConstruction guard(1);
    head = std::make_shared<IndexHead>(HeadSpec{kAction, horizons.pred, horizons.obs, 2 + kState});
    options.horizons = horizons;
    agent = std::make_shared<VlaAgent>(options, spec(), backbone, head);
    if (with_statistics) {
      agent->set_statistics({.state = identity_statistics(kState),
                             .action = identity_statistics(kAction),
                             .features = identity_statistics(2)});
    }
  }
};

Observation observation(int step, bool images) {
  Observation o;
  o.state = at::full({kState}, static_cast<float>(step));
  if (images) {
    o.images["front"] = at::full({4, 4, 3}, step, at::kByte);
    o.images["top"] = at::full({4, 4, 3}, 100 + step, at::kByte);
  }
  return o;
}

TEST(VlaAgent, ExecutesTheChunkFromThePresentOn) {
  Fixture fixture;
  fixture.agent->reset(0);
  for (int step = 0; step < 24; ++step) {
    const at::Tensor action = fixture.agent->act(observation(step, fixture.agent->needs_images()));
    EXPECT_EQ(action[0].item<float>(), 1 + step % 8) << "step " << step;
  }
}

TEST(VlaAgent, ExecutesFromIndexZeroUnderTheActAlignment) {
  Fixture fixture({1, kHorizon, 8, Alignment::kAct});
  fixture.agent->reset(0);
  for (int step = 0; step < 16; ++step) {
    EXPECT_EQ(fixture.agent->act(observation(step, true))[0].item<float>(), step % 8);
  }
}

TEST(VlaAgent, LooksOnlyAtTheFramesItsPlansNeed) {
  Fixture fixture;
  fixture.agent->reset(0);
  std::vector<int> seen;
  for (int step = 0; step < 24; ++step) {
    const bool needed = fixture.agent->needs_images();
    if (needed) seen.push_back(step);
    fixture.agent->act(observation(step, needed));
  }
  EXPECT_EQ(seen, (std::vector<int>{0, 7, 8, 15, 16, 23}));
  EXPECT_EQ(fixture.backbone->calls, 6);
}

TEST(VlaAgent, ConditionsOnTheLastObservationsOldestFirst) {
  Fixture fixture;
  fixture.agent->reset(0);
  for (int step = 0; step < 9; ++step) fixture.agent->act(observation(step, true));
  // The plan of step 8 sees steps 7 and 8: features in the backbone's order, then the state.
  const at::Tensor expected =
      at::tensor({7.F, 107.F, 7.F, 7.F, 7.F, 8.F, 108.F, 8.F, 8.F, 8.F}).view({1, 2, 5});
  EXPECT_TRUE(fixture.head->last_cond.allclose(expected)) << fixture.head->last_cond;
}

TEST(VlaAgent, FillsItsQueueWithTheFirstObservation) {
  Fixture fixture;
  fixture.agent->reset(0);
  fixture.agent->act(observation(5, true));
  EXPECT_TRUE(fixture.head->last_cond[0][0].equal(fixture.head->last_cond[0][1]));
}

TEST(VlaAgent, NoiseDependsOnSeedAndPlanAlone) {
  auto second_plan = [](std::uint64_t seed, int steps_before_reset) {
    Fixture fixture;
    fixture.agent->reset(99);
    for (int step = 0; step < steps_before_reset; ++step)
      fixture.agent->act(observation(step, true));
    fixture.agent->reset(seed);
    at::Tensor action;
    for (int step = 0; step < 9; ++step) action = fixture.agent->act(observation(step, true));
    return action[1].item<float>();
  };
  EXPECT_EQ(second_plan(1, 0), second_plan(1, 13));
  EXPECT_NE(second_plan(1, 0), second_plan(2, 0));
}

TEST(VlaAgent, WithoutStatisticsIsAnError) {
  Fixture fixture({2, kHorizon, 8, Alignment::kDiffusion}, /*with_statistics=*/false);
  fixture.agent->reset(0);
  try {
    fixture.agent->act(observation(0, true));
    FAIL() << "acted without statistics";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("no normalisation statistics"));
  }
}

TEST(VlaAgent, NamesTheCameraThatAnObservationLacks) {
  Fixture fixture;
  fixture.agent->reset(0);
  Observation o = observation(0, true);
  o.images.erase("top");
  try {
    fixture.agent->act(o);
    FAIL() << "acted without a camera";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("camera 'top' is missing"));
  }
}

TEST(VlaAgent, NamesTheCameraThatTheDataLacks) {
  auto head = std::make_shared<IndexHead>(HeadSpec{kAction, kHorizon, 2, 1 + kState});
  try {
    VlaAgent agent({.horizons = {2, kHorizon, 8}}, spec(),
                   std::make_shared<MeanBackbone>(std::vector<std::string>{"wrist"}), head);
    FAIL() << "a camera that the data lacks was accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("'wrist', which the data does not give"));
    EXPECT_THAT(error.what(), HasSubstr("a subset of top, front"));
  }
}

TEST(VlaAgent, RefusesMeanStdActionsForAHeadThatClipsThem) {
  auto head = std::make_shared<IndexHead>(HeadSpec{kAction, kHorizon, 2, kState});
  const VlaAgentOptions options{.horizons = {2, kHorizon, 8},
                                .action_normalization = Normalization::kMeanStd};
  EXPECT_NO_THROW(VlaAgent(options, spec(), nullptr, head));
  head->clips = true;
  EXPECT_NO_THROW(VlaAgent({.horizons = {2, kHorizon, 8}}, spec(), nullptr, head));
  try {
    VlaAgent agent(options, spec(), nullptr, head);
    FAIL() << "clipping with mean_std was accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("agent.action_normalization"));
    EXPECT_THAT(error.what(), HasSubstr("expected min_max; found mean_std"));
  }
}

TEST(VlaAgent, CachedFeaturesAndImagesGiveOneLoss) {
  Fixture fixture;
  Batch batch;
  batch.state = at::zeros({4, 2, kState});
  batch.actions = at::ones({4, kHorizon, kAction});
  batch.is_pad = at::zeros({4, kHorizon}, at::kBool);
  for (const char* camera : {"front", "top"}) {
    batch.images[camera] =
        at::arange(4 * 2 * 4 * 4 * 3).remainder(255).to(at::kByte).view({4, 2, 4, 4, 3});
  }
  at::Generator generator = make_generator(0);
  const at::Tensor from_images = fixture.agent->loss(batch, generator).loss;
  batch.features = fixture.backbone->encode(batch.images, generator);
  batch.images.clear();
  EXPECT_TRUE(fixture.agent->loss(batch, generator).loss.equal(from_images));
}

TEST(VlaAgent, ComputesTheNextChunkWhileTheCurrentOnePlays) {
  Fixture fixture({2, kHorizon, 8, Alignment::kDiffusion}, true, {.latency_steps = 3});
  fixture.agent->reset(7);
  std::vector<int> seen;
  for (int step = 0; step < 24; ++step) {
    const bool needed = fixture.agent->needs_images();
    if (needed) seen.push_back(step);
    const at::Tensor action = fixture.agent->act(observation(step, needed));
    // The first chunk from its present on; the later ones, asked for three steps before, from the
    // row that is then the present.
    EXPECT_EQ(action[0].item<float>(), (step < 8 ? 1 : 4) + step % 8) << "step " << step;
    EXPECT_EQ(fixture.agent->last_timing().plan_ms > 0, step % 8 == 0) << "step " << step;
  }
  EXPECT_EQ(seen, (std::vector<int>{0, 4, 5, 12, 13, 20, 21}));
}

TEST(VlaAgent, ALateChunkIsMadeForTheObservationsOfItsPlan) {
  Fixture fixture({2, kHorizon, 8, Alignment::kDiffusion}, true, {.latency_steps = 3});
  fixture.agent->reset(0);
  for (int step = 0; step < 9; ++step) fixture.agent->act(observation(step, true));
  EXPECT_EQ(fixture.head->last_cond[0][1][0].item<float>(), 5);  // step 8 less 3
}

TEST(VlaAgent, AnEpisodeThatEndsBeforeItsChunkLeavesNothingBehind) {
  const VlaAgentOptions late{.latency_steps = 3};
  Fixture cut({2, kHorizon, 8, Alignment::kDiffusion}, true, late);
  cut.agent->reset(99);
  for (int step = 0; step < 7; ++step) cut.agent->act(observation(step, true));
  Fixture fresh({2, kHorizon, 8, Alignment::kDiffusion}, true, late);
  cut.agent->reset(1);
  fresh.agent->reset(1);
  for (int step = 0; step < 12; ++step) {
    EXPECT_TRUE(
        cut.agent->act(observation(step, true)).equal(fresh.agent->act(observation(step, true))))
        << "step " << step;
  }
}

TEST(VlaAgent, AveragesTheChunksThatCoverAStep) {
  Fixture fixture({1, 4, 1, Alignment::kAct}, true, {.ensemble_decay = 0.01});
  fixture.agent->reset(0);
  at::Tensor action;
  for (int step = 0; step < 8; ++step) action = fixture.agent->act(observation(step, true));
  // Rows 3, 2, 1, 0 of the chunks of steps 4 .. 7, the oldest weighing most.
  double sum = 0, weights = 0;
  for (int i = 0; i < 4; ++i) {
    sum += std::exp(-0.01 * i) * (3 - i);
    weights += std::exp(-0.01 * i);
  }
  EXPECT_NEAR(action[0].item<float>(), sum / weights, 1e-6);
}

TEST(CheckExecution, RefusesMoreStepsThanTheChunkHolds) {
  EXPECT_NO_THROW(check_execution({.horizons = {2, 16, 15, Alignment::kDiffusion}}));
  EXPECT_NO_THROW(check_execution({.horizons = {1, 16, 16, Alignment::kAct}}));
  EXPECT_NO_THROW(check_execution({.horizons = {2, 16, 8}, .latency_steps = 7}));
  const auto text_of = [](const ExecutionOptions& options) -> std::string {
    try {
      check_execution(options);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_THAT(text_of({.horizons = {2, 16, 16}}), HasSubstr("expected 1 to 15"));
  EXPECT_THAT(text_of({.horizons = {2, 16, 14}, .latency_steps = 2}),
              HasSubstr("expected 1 to 13 (pred_horizon 16 less the 1 actions before the present "
                        "and 2 of latency)"));
  EXPECT_THAT(text_of({.horizons = {2, 16, 2}, .latency_steps = 2}),
              HasSubstr("expected 0 to 1 (num_action_steps 2 less 1)"));
}

}  // namespace
}  // namespace roboimi::vla_agent
