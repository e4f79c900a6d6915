#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "roboimi/common/error.h"
#include "roboimi/common/random.h"
#include "tests/device_traffic.h"
#include "tests/error_text.h"
#include "tests/plugins/vla_agent/fake_parts.h"

namespace roboimi::vla_agent {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(VlaAgent, ExecutesTheChunkFromTheCurrentStepOn) {
  Fixture fixture;
  fixture.actor->reset(0);
  for (int step = 0; step < 24; ++step) {
    const at::Tensor action = fixture.actor->act(observation(step, fixture.actor->needs_images()));
    EXPECT_EQ(action[0].item<float>(), 1 + step % 8) << "step " << step;
  }
}

TEST(VlaAgent, ExecutesFromIndexZeroWithTheActAlignment) {
  Fixture fixture({1, kHorizon, 8, Alignment::kPresentObservation});
  fixture.actor->reset(0);
  for (int step = 0; step < 16; ++step) {
    EXPECT_EQ(fixture.actor->act(observation(step, true))[0].item<float>(), step % 8);
  }
}

TEST(VlaAgent, RequestsOnlyTheFramesItsPlansNeed) {
  Fixture fixture;
  fixture.actor->reset(0);
  std::vector<int> seen;
  for (int step = 0; step < 24; ++step) {
    const bool needed = fixture.actor->needs_images();
    if (needed) seen.push_back(step);
    fixture.actor->act(observation(step, needed));
  }
  EXPECT_EQ(seen, (std::vector<int>{0, 7, 8, 15, 16, 23}));
  EXPECT_EQ(fixture.backbone->calls, 6);
}

TEST(VlaAgent, ConditionsOnTheLastObservationsOldestFirst) {
  Fixture fixture;
  fixture.actor->reset(0);
  for (int step = 0; step < 9; ++step) fixture.actor->act(observation(step, true));
  // The plan of step 8 sees steps 7 and 8: features in the backbone's order, then the state.
  const at::Tensor expected =
      at::tensor({7.F, 107.F, 7.F, 7.F, 7.F, 8.F, 108.F, 8.F, 8.F, 8.F}).view({1, 2, 5});
  EXPECT_TRUE(fixture.head->last_cond.allclose(expected)) << fixture.head->last_cond;
}

TEST(VlaAgent, FillsItsQueueWithTheFirstObservation) {
  Fixture fixture;
  fixture.actor->reset(0);
  fixture.actor->act(observation(5, true));
  EXPECT_TRUE(fixture.head->last_cond[0][0].equal(fixture.head->last_cond[0][1]));
}

TEST(VlaAgent, NoiseDependsOnlyOnSeedAndPlan) {
  auto second_plan = [](std::uint64_t seed, int steps_before_reset) {
    Fixture fixture;
    fixture.actor->reset(99);
    for (int step = 0; step < steps_before_reset; ++step)
      fixture.actor->act(observation(step, true));
    fixture.actor->reset(seed);
    at::Tensor action;
    for (int step = 0; step < 9; ++step) action = fixture.actor->act(observation(step, true));
    return action[1].item<float>();
  };
  EXPECT_EQ(second_plan(1, 0), second_plan(1, 13));
  EXPECT_NE(second_plan(1, 0), second_plan(2, 0));
}

TEST(VlaAgent, WithoutStatisticsCannotAct) {
  Fixture fixture({2, kHorizon, 8, Alignment::kFirstObservation}, /*with_statistics=*/false);
  fixture.actor->reset(0);
  try {
    fixture.actor->act(observation(0, true));
    FAIL() << "acted without statistics";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("no normalization statistics"));
  }
}

TEST(VlaAgent, NamesTheCameraThatAnObservationLacks) {
  Fixture fixture;
  fixture.actor->reset(0);
  Observation o = observation(0, true);
  o.erase("top");
  try {
    fixture.actor->act(o);
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

TEST(VlaAgent, ComputesTheNextChunkWhileTheCurrentOneIsExecuted) {
  Fixture fixture({2, kHorizon, 8, Alignment::kFirstObservation}, true, {.latency_steps = 3});
  fixture.actor->reset(7);
  std::vector<int> seen;
  for (int step = 0; step < 24; ++step) {
    const bool needed = fixture.actor->needs_images();
    if (needed) seen.push_back(step);
    const at::Tensor action = fixture.actor->act(observation(step, needed));
    // The first chunk starts at its current step; later ones, requested three steps earlier, start
    // at the row that is then the current step.
    EXPECT_EQ(action[0].item<float>(), (step < 8 ? 1 : 4) + step % 8) << "step " << step;
    EXPECT_EQ(fixture.actor->last_timing().plan_ms > 0, step % 8 == 0) << "step " << step;
  }
  EXPECT_EQ(seen, (std::vector<int>{0, 4, 5, 12, 13, 20, 21}));
}

TEST(VlaAgent, EncodesInTheBackgroundWithLatency) {
  Fixture fixture({2, kHorizon, 8, Alignment::kFirstObservation}, true, {.latency_steps = 3});
  fixture.actor->reset(0);
  int step = 0;
  const auto act = [&] {
    const bool with_images = fixture.actor->needs_images();
    return fixture.actor->act(observation(step++, with_images))[0].item<float>();
  };
  for (int i = 0; i < 4; ++i) act();
  fixture.backbone->gate.close();
  EXPECT_EQ(act(), 5);  // step 4: its image is for the plan of step 5
  EXPECT_EQ(act(), 6);  // the plan, which must wait for both images
  constexpr auto kSlow = std::chrono::milliseconds(20);
  std::this_thread::sleep_for(kSlow);
  EXPECT_EQ(fixture.head->calls, 1);
  fixture.backbone->gate.open();
  for (int i = 0; i < 3; ++i) act();  // steps 6, 7 and 8; the chunk is due at 8
  EXPECT_EQ(fixture.head->calls, 2);
  EXPECT_GE(fixture.actor->last_timing().plan_ms, 20.0);  // features included
}

TEST(VlaAgent, MeasuresTheTimeOfAChunkFromItsObservation) {
  Fixture fixture;
  fixture.actor->reset(0);
  fixture.backbone->gate.close();
  std::thread opener([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    fixture.backbone->gate.open();
  });
  fixture.actor->act(observation(0, true));
  opener.join();
  EXPECT_GE(fixture.actor->last_timing().preprocess_ms, 10.0);
  EXPECT_GE(fixture.actor->last_timing().plan_ms, fixture.actor->last_timing().preprocess_ms);
}

TEST(VlaAgent, AnActorsDestructorWaitsForItsLastChunk) {
  Fixture fixture({2, kHorizon, 8, Alignment::kFirstObservation}, true, {.latency_steps = 3});
  fixture.actor->reset(0);
  for (int step = 0; step < 5; ++step) fixture.actor->act(observation(step, true));
  fixture.head->gate.close();
  fixture.actor->act(observation(5, true));  // requests a chunk
  std::atomic<bool> is_idle = false;
  std::thread waiting([&] {
    fixture.actor.reset();
    is_idle = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_FALSE(is_idle);
  fixture.head->gate.open();
  waiting.join();
  EXPECT_TRUE(fixture.head->last_cond.defined());
}

TEST(VlaAgent, AChunkWithLatencyUsesTheObservationsOfItsPlan) {
  Fixture fixture({2, kHorizon, 8, Alignment::kFirstObservation}, true, {.latency_steps = 3});
  fixture.actor->reset(0);
  for (int step = 0; step < 9; ++step) fixture.actor->act(observation(step, true));
  EXPECT_EQ(fixture.head->last_cond[0][1][0].item<float>(), 5);  // step 8 - 3
}

TEST(VlaAgent, AnEpisodeThatEndsBeforeItsChunkDoesNotAffectTheNext) {
  const VlaAgentOptions late{.latency_steps = 3};
  Fixture cut({2, kHorizon, 8, Alignment::kFirstObservation}, true, late);
  cut.actor->reset(99);
  for (int step = 0; step < 7; ++step) cut.actor->act(observation(step, true));
  Fixture fresh({2, kHorizon, 8, Alignment::kFirstObservation}, true, late);
  cut.actor->reset(1);
  fresh.actor->reset(1);
  for (int step = 0; step < 12; ++step) {
    EXPECT_TRUE(
        cut.actor->act(observation(step, true)).equal(fresh.actor->act(observation(step, true))))
        << "step " << step;
  }
}

TEST(VlaAgent, SamplesThePlansOfSeveralActorsAtOnce) {
  Fixture fixture;
  std::vector<std::unique_ptr<Actor>> actors;
  std::vector<PlanRequest> requests;
  for (const std::uint64_t seed : {7, 8, 7}) {
    actors.push_back(fixture.agent->make_actor({}));
    actors.back()->reset(seed);
    actors.back()->observe(observation(static_cast<int>(seed), true));
    ASSERT_TRUE(actors.back()->wants_plan());
    EXPECT_THAT(error_text([&] { actors.back()->command(); }),
                HasSubstr("the actor has no command yet"));
    requests.push_back(actors.back()->plan_request());
    EXPECT_FALSE(actors.back()->wants_plan());
  }
  const at::Tensor chunks = fixture.agent->sample_plans(requests);
  EXPECT_EQ(fixture.head->calls, 1);
  EXPECT_TRUE(chunks[0].equal(chunks[2]));
  EXPECT_FALSE(chunks[0].equal(chunks[1]));
  for (std::size_t i = 0; i < actors.size(); ++i) {
    actors[i]->accept(chunks[static_cast<std::int64_t>(i)]);
    fixture.actor->reset(i == 1 ? 8 : 7);
    const at::Tensor alone = fixture.actor->act(observation(i == 1 ? 8 : 7, true));
    EXPECT_TRUE(actors[i]->command().equal(alone)) << i;
    EXPECT_GT(actors[i]->last_timing().plan_ms, 0.0);
  }
  EXPECT_THROW(actors[0]->accept(chunks[0]), Error) << "no chunk was requested";
}

TEST(VlaAgent, RequestsAPlanAgainIfItWasNotDelivered) {
  Fixture fixture;
  fixture.actor->reset(0);
  fixture.actor->observe(observation(0, true));
  fixture.actor->plan_request();  // and its sampling fails
  fixture.actor->observe(observation(1, true));
  EXPECT_TRUE(fixture.actor->wants_plan());
}

TEST(VlaAgent, PassesCommittedCommandsToAHeadThatContinuesThem) {
  Fixture fixture({2, kHorizon, 8, Alignment::kFirstObservation}, true, {.latency_steps = 3});
  fixture.head->continues = true;
  fixture.actor->reset(0);
  std::vector<at::Tensor> commands;
  for (int step = 0; step < 8; ++step) {
    commands.push_back(fixture.actor->act(observation(step, true)));
  }
  fixture.actor->act(observation(8, true));
  ASSERT_EQ(fixture.head->prefixes.size(), 2u);
  EXPECT_FALSE(fixture.head->prefixes[0].defined()) << "nothing is committed at the start";
  // The plan of step 5: row 0 is step 4, and steps 5, 6 and 7 are executed meanwhile.
  const at::Tensor expected =
      at::stack({commands[4], commands[5], commands[6], commands[7]}).unsqueeze(0);
  EXPECT_TRUE(fixture.head->prefixes[1].allclose(expected));
}

TEST(VlaAgent, GivesItsHeadOneTokenPerCameraAndStep) {
  Fixture fixture;
  fixture.actor->reset(0);
  fixture.actor->act(observation(5, true));
  // Means of the front and the top camera, for both steps in the queue.
  EXPECT_TRUE(
      fixture.head->last_tokens.allclose(at::tensor({5.F, 105.F, 5.F, 105.F}).view({1, 4, 1})))
      << fixture.head->last_tokens;
}

TEST(VlaAgent, AveragesTheChunksThatCoverAStep) {
  Fixture fixture({1, 4, 1, Alignment::kPresentObservation}, true, {.ensemble_decay = 0.01});
  fixture.actor->reset(0);
  at::Tensor action;
  for (int step = 0; step < 8; ++step) action = fixture.actor->act(observation(step, true));
  // Rows 3, 2, 1, 0 of the chunks of steps 4 .. 7; the oldest has the largest weight.
  double sum = 0, weights = 0;
  for (int i = 0; i < 4; ++i) {
    sum += std::exp(-0.01 * i) * (3 - i);
    weights += std::exp(-0.01 * i);
  }
  EXPECT_NEAR(action[0].item<float>(), sum / weights, 1e-6);
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
