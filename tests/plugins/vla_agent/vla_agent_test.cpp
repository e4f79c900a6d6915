// VlaAgent: its inputs and their checks, its loss and the checks of its parts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/dropout.h>

#include "roboimi/common/error.h"
#include "roboimi/common/random.h"
#include "tests/device_traffic.h"
#include "tests/error_text.h"
#include "tests/plugins/vla_agent/fake_parts.h"

namespace roboimi::vla_agent {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(VlaAgent, NamesTheCameraThatTheDataLacks) {
  auto head = std::make_shared<IndexHead>(HeadSpec{kAction, kHorizon, 2, 1 + kState});
  try {
    VlaAgent agent({.horizons = {2, kHorizon, 8}}, spec(),
                   std::make_shared<MeanBackbone>(std::vector<std::string>{"wrist"}), head);
    FAIL() << "a camera that the data lacks was accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("'wrist', which the data does not have"));
    EXPECT_THAT(error.what(), HasSubstr("a subset of top, front"));
  }
}

TEST(VlaAgent, RequiresMinMaxActionsForAHeadThatClipsThem) {
  auto head = std::make_shared<IndexHead>(HeadSpec{kAction, kHorizon, 2, kState});
  const auto with = [&](Normalization actions) {
    VlaAgent({.horizons = {2, kHorizon, 8}, .action_normalization = actions}, spec(), nullptr,
             head);
  };
  EXPECT_NO_THROW(with(Normalization::kMeanStd));
  EXPECT_NO_THROW(with(Normalization::kIdentity));
  head->clips = true;
  EXPECT_NO_THROW(with(Normalization::kMinMax));
  EXPECT_THAT(error_text([&] { with(Normalization::kMeanStd); }),
              AllOf(HasSubstr("agent.action_normalization"),
                    HasSubstr("expected min_max; found mean_std")));
  EXPECT_THAT(error_text([&] { with(Normalization::kIdentity); }), HasSubstr("found identity"));
}

TEST(VlaAgent, CachedFeaturesAndImagesGiveTheSameLoss) {
  Fixture fixture;
  Batch batch;
  batch.observations["state"] = at::zeros({4, 2, kState});
  batch.actions = at::ones({4, kHorizon, kAction});
  batch.is_pad = at::zeros({4, kHorizon}, at::kBool);
  for (const char* camera : {"front", "top"}) {
    batch.observations[camera] =
        at::arange(4 * 2 * 4 * 4 * 3).remainder(255).to(at::kByte).view({4, 2, 4, 4, 3});
  }
  at::Generator generator = make_generator(0);
  const at::Tensor from_images = fixture.agent->loss(batch, generator).loss;
  batch.features = fixture.backbone->encode(batch.observations, generator);
  for (const char* camera : {"front", "top"}) batch.observations.erase(camera);
  EXPECT_TRUE(fixture.agent->loss(batch, generator).loss.equal(from_images));
}

TEST(VlaAgent, TrainsWithoutHostDeviceTransfers) {
  Fixture fixture;
  Batch batch;
  batch.observations["state"] = at::zeros({4, 2, kState});
  batch.features = at::zeros({4, 2, 2});
  batch.actions = at::ones({4, kHorizon, kAction});
  batch.is_pad = at::zeros({4, kHorizon}, at::kBool);
  at::Generator generator = make_generator(0);
  EXPECT_EQ(device_traffic_of([&] { fixture.agent->loss(batch, generator).loss.backward(); }), "");
}

TEST(VlaAgent, ReadsTheStatesThatItUsesAndTheBackbonesStreams) {
  Fixture fixture;
  EXPECT_THAT(fixture.agent->stream_names(), ElementsAre("state", "front", "top"));
  ObservationSpec data = spec();
  data.set(vector_stream(roboimi::kEnvState, 4));
  data.set(vector_stream("force", 6));
  const auto streams = [&](bool use_env_state, const std::shared_ptr<Backbone>& backbone) {
    const std::int64_t dim = kState + (use_env_state ? 4 : 0) + (backbone ? 2 : 0);
    return VlaAgent({.horizons = {2, kHorizon, 8}, .use_env_state = use_env_state}, data, backbone,
                    std::make_shared<IndexHead>(HeadSpec{kAction, kHorizon, 2, dim}))
        .stream_names();
  };
  EXPECT_THAT(streams(false, nullptr), ElementsAre("state"));
  EXPECT_THAT(streams(true, nullptr), ElementsAre("state", "env_state"));
  // A stream that the backbone reads too is listed once.
  class StateBackbone : public MeanBackbone {
   public:
    std::vector<std::string> stream_names() const override {
      return {"front", "top", "force", roboimi::kState};
    }
  };
  EXPECT_THAT(streams(true, std::make_shared<StateBackbone>()),
              ElementsAre("state", "env_state", "front", "top", "force"));
}

TEST(VlaAgent, NamesTheStateThatAnObservationLacks) {
  Fixture fixture;
  fixture.actor->reset(0);
  Observation o = observation(0, true);
  o.erase("state");
  EXPECT_THAT(error_text([&] { fixture.actor->act(o); }),
              HasSubstr("vla_agent: the observation lacks state: expected float [3]"));
}

// Its dropout changes a chunk in training mode.
class DropoutHead : public IndexHead {
 public:
  explicit DropoutHead(HeadSpec spec) : IndexHead(spec) {
    dropout = register_module("dropout", torch::nn::Dropout(0.5));
  }
  at::Tensor sample(const Condition& condition, const BatchGenerator& noise,
                    const at::Tensor& prefix) override {
    return dropout->forward(IndexHead::sample(condition, noise, prefix));
  }
  torch::nn::Dropout dropout{nullptr};
};

TEST(VlaAgent, PlansInEvaluationModeWhateverModeItIsIn) {
  class ModeBackbone : public MeanBackbone {
   public:
    at::Tensor encode(const Observation& images, at::Generator& generator) override {
      EXPECT_FALSE(is_training());
      return MeanBackbone::encode(images, generator);
    }
  };
  const auto head = std::make_shared<DropoutHead>(HeadSpec{kAction, kHorizon, 2, 2 + kState});
  VlaAgent agent({.horizons = {2, kHorizon, 8}}, spec(), std::make_shared<ModeBackbone>(), head);
  agent.set_statistics({.state = identity_statistics(kState),
                        .action = identity_statistics(kAction),
                        .features = identity_statistics(2)});
  const auto rows = [&] {
    const auto actor = agent.make_actor({});
    actor->reset(0);
    std::vector<float> commands;
    for (int step = 0; step < 8; ++step) {
      commands.push_back(actor->act(observation(step, true))[0].item<float>());
    }
    return commands;
  };
  agent.train();
  EXPECT_THAT(rows(), ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
  EXPECT_TRUE(agent.is_training());
  EXPECT_TRUE(head->dropout->is_training());
  // Only a part of the head was left in training mode.
  agent.eval();
  head->dropout->train();
  EXPECT_THAT(rows(), ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
  EXPECT_FALSE(head->is_training());
  EXPECT_TRUE(head->dropout->is_training());
}

// The head's training condition [512, 2, 2 + kState] for a batch of zeros.
at::Tensor training_cond(double state_noise, bool training) {
  VlaAgentOptions options;
  options.state_noise = state_noise;
  Fixture fixture({2, kHorizon, 8, Alignment::kFirstObservation}, true, options);
  fixture.agent->train(training);
  Batch batch;
  batch.observations["state"] = at::zeros({512, 2, kState});
  batch.features = at::zeros({512, 2, 2});
  batch.actions = at::zeros({512, kHorizon, kAction});
  batch.is_pad = at::zeros({512, kHorizon}, at::kBool);
  at::Generator generator = make_generator(3);
  fixture.agent->loss(batch, generator);
  return fixture.head->last_cond;
}

TEST(VlaAgent, AddsNoiseToTheStateOnlyInTraining) {
  const at::Tensor cond = training_cond(0.5, true);
  const at::Tensor state = cond.narrow(2, 2, kState);
  EXPECT_NEAR(state.mean().item<double>(), 0.0, 0.05);
  EXPECT_NEAR(state.std().item<double>(), 0.5, 0.05);
  EXPECT_FALSE(at::equal(state.select(1, 0), state.select(1, 1)));  // drawn per observation
  EXPECT_TRUE(cond.narrow(2, 0, 2).eq(0).all().item<bool>());       // none on the features
  EXPECT_TRUE(training_cond(0.5, false).eq(0).all().item<bool>());
  EXPECT_TRUE(training_cond(0.0, true).eq(0).all().item<bool>());
}

TEST(VlaAgent, NamesTheHeadOfAnInvalidChunkAndContinues) {
  Fixture fixture;
  fixture.actor->reset(0);
  const auto error = [&](const std::optional<at::Tensor>& chunk) {
    fixture.head->returns = chunk;
    return error_or_accepted([&] { fixture.actor->act(observation(0, true)); });
  };
  EXPECT_THAT(error(at::zeros({1, kHorizon - 1, kAction})),
              AllOf(HasSubstr("IndexHead: the head's action chunk has the wrong shape or dtype"),
                    HasSubstr("expected float [16, 2] (pred_horizon, action_dim); found Float [15, "
                              "2]")));
  EXPECT_THAT(error(at::zeros({2, kHorizon, kAction})), HasSubstr("found Float [2, 16, 2]"));
  EXPECT_THAT(error(at::zeros({1, kHorizon, kAction + 1})), HasSubstr("found Float [16, 3]"));
  EXPECT_THAT(error(at::zeros({1, kHorizon, kAction}, at::kLong)), HasSubstr("found Long"));
  EXPECT_THAT(error(at::Tensor()), HasSubstr("found an undefined tensor"));
  EXPECT_EQ(error({}), "accepted");
}

// An action head without parameters, such as a lookup table.
class TableHead : public Head {
 public:
  const HeadSpec& spec() const override { return spec_; }
  LossReport loss(const at::Tensor&, const Condition&, const at::Tensor&, at::Generator&) override {
    return {.loss = at::zeros({})};
  }
  at::Tensor sample(const Condition&, const BatchGenerator&, const at::Tensor&) override {
    return at::ones({1, kHorizon, kAction});
  }

 private:
  HeadSpec spec_{kAction, kHorizon, 2, 2 + kState};
};

TEST(VlaAgent, ActsWithAHeadWithoutParameters) {
  VlaAgent agent({.horizons = {2, kHorizon, 8, Alignment::kFirstObservation}}, spec(),
                 std::make_shared<MeanBackbone>(), std::make_shared<TableHead>());
  agent.set_statistics({.state = identity_statistics(kState),
                        .action = identity_statistics(kAction),
                        .features = identity_statistics(2)});
  const auto actor = agent.make_actor({});
  actor->reset(0);
  EXPECT_EQ(actor->act(observation(0, true))[0].item<float>(), 1.0F);
}

TEST(CheckExecution, NamesTheOptionThatDoesNotFit) {
  EXPECT_NO_THROW(check_execution({.horizons = {2, 16, 15, Alignment::kFirstObservation}}));
  EXPECT_NO_THROW(check_execution({.horizons = {1, 16, 16, Alignment::kPresentObservation}}));
  EXPECT_NO_THROW(check_execution({.horizons = {2, 16, 8}, .latency_steps = 7}));
  const auto text_of = [](const ExecutionOptions& options) {
    return error_text([&] { check_execution(options); });
  };
  EXPECT_NO_THROW(check_execution({.horizons = {2, 17, 14}, .latency_steps = 2}));
  EXPECT_THAT(text_of({.horizons = {2, 16, 16}}),
              HasSubstr("expected at least 17 (1 actions before the current step, and "
                        "num_action_steps 16); found 16"));
  EXPECT_THAT(
      text_of({.horizons = {2, 16, 14}, .latency_steps = 2}),
      HasSubstr("expected at least 17 (1 actions before the current step, 2 of latency, and "
                "num_action_steps 14)"));
  for (const std::int64_t latency : {2, 20}) {
    EXPECT_THAT(text_of({.horizons = {2, 16, 2}, .latency_steps = latency}),
                AllOf(HasSubstr("latency_steps"),
                      HasSubstr("expected 0 to 1 (num_action_steps 2 minus 1)")));
  }
}

}  // namespace
}  // namespace roboimi::vla_agent
