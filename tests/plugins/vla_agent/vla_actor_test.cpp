// VlaActor: the schedule of chunks, the images it needs, and the inputs of its plans.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "roboimi/common/error.h"
#include "roboimi/common/random.h"
#include "tests/error_text.h"
#include "tests/plugins/vla_agent/fake_parts.h"
#include "tests/wait_for.h"

namespace roboimi::vla_agent {
namespace {

using ::testing::HasSubstr;

TEST(VlaActor, ExecutesTheChunkFromTheCurrentStepOn) {
  Fixture fixture;
  fixture.actor->reset(0);
  for (int step = 0; step < 24; ++step) {
    const at::Tensor action = fixture.actor->act(observation(step, fixture.actor->needs_images()));
    EXPECT_EQ(action[0].item<float>(), 1 + step % 8) << "step " << step;
  }
}

TEST(VlaActor, ExecutesFromIndexZeroWithTheActAlignment) {
  Fixture fixture({1, kHorizon, 8, Alignment::kPresentObservation});
  fixture.actor->reset(0);
  for (int step = 0; step < 16; ++step) {
    EXPECT_EQ(fixture.actor->act(observation(step, true))[0].item<float>(), step % 8);
  }
}

TEST(VlaActor, RequestsOnlyTheFramesItsPlansNeed) {
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

TEST(VlaActor, ConditionsOnTheLastObservationsOldestFirst) {
  Fixture fixture;
  fixture.actor->reset(0);
  for (int step = 0; step < 9; ++step) fixture.actor->act(observation(step, true));
  // The plan of step 8 sees steps 7 and 8: features in the backbone's order, then the state.
  const at::Tensor expected =
      at::tensor({7.F, 107.F, 7.F, 7.F, 7.F, 8.F, 108.F, 8.F, 8.F, 8.F}).view({1, 2, 5});
  EXPECT_TRUE(fixture.head->last_cond.allclose(expected)) << fixture.head->last_cond;
}

TEST(VlaActor, FillsItsQueueWithTheFirstObservation) {
  Fixture fixture;
  fixture.actor->reset(0);
  fixture.actor->act(observation(5, true));
  EXPECT_TRUE(fixture.head->last_cond[0][0].equal(fixture.head->last_cond[0][1]));
}

TEST(VlaActor, NoiseDependsOnlyOnSeedAndPlan) {
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

TEST(VlaActor, WithoutStatisticsCannotAct) {
  Fixture fixture({2, kHorizon, 8, Alignment::kFirstObservation}, /*with_statistics=*/false);
  fixture.actor->reset(0);
  try {
    fixture.actor->act(observation(0, true));
    FAIL() << "acted without statistics";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("no normalization statistics"));
  }
}

TEST(VlaActor, NamesTheCameraThatAnObservationLacks) {
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

TEST(VlaActor, ComputesTheNextChunkWhileTheCurrentOneIsExecuted) {
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

TEST(VlaActor, EncodesInTheBackgroundWithLatency) {
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

TEST(VlaActor, MeasuresTheTimeOfAChunkFromItsObservation) {
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

TEST(VlaActor, AnActorsDestructorWaitsForItsLastChunk) {
  Fixture fixture({2, kHorizon, 8, Alignment::kFirstObservation}, true, {.latency_steps = 3});
  fixture.actor->reset(0);
  for (int step = 0; step < 5; ++step) fixture.actor->act(observation(step, true));
  fixture.head->gate.close();
  fixture.actor->act(observation(5, true));  // requests a chunk
  ASSERT_TRUE(wait_for([&] { return fixture.head->calls == 2; }, std::chrono::seconds(10),
                       std::chrono::milliseconds(1)));
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

TEST(VlaActor, AChunkWithLatencyUsesTheObservationsOfItsPlan) {
  Fixture fixture({2, kHorizon, 8, Alignment::kFirstObservation}, true, {.latency_steps = 3});
  fixture.actor->reset(0);
  for (int step = 0; step < 9; ++step) fixture.actor->act(observation(step, true));
  EXPECT_EQ(fixture.head->last_cond[0][1][0].item<float>(), 5);  // step 8 - 3
}

TEST(VlaActor, AnEpisodeThatEndsBeforeItsChunkDoesNotAffectTheNext) {
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

TEST(VlaActor, RequestsAPlanAgainIfItWasNotDelivered) {
  Fixture fixture;
  fixture.actor->reset(0);
  fixture.actor->observe(observation(0, true));
  fixture.actor->plan_request();  // and its sampling fails
  fixture.actor->observe(observation(1, true));
  EXPECT_TRUE(fixture.actor->wants_plan());
}

TEST(VlaActor, PassesCommittedCommandsToAHeadThatContinuesThem) {
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

TEST(VlaActor, ReplacesOnlyACommandThatItReturned) {
  Fixture fixture;
  const at::Tensor sent = at::full({kAction}, 0.5F);
  const auto error = [&](const at::Tensor& command) {
    return error_or_accepted([&] { fixture.actor->replace_command(command); });
  };
  fixture.actor->reset(0);
  EXPECT_THAT(error(sent), HasSubstr("vla_agent: there is no command to replace"));
  fixture.actor->act(observation(0, true));
  EXPECT_THAT(error(at::zeros({kAction + 1})), HasSubstr("expected after act() or command(), float "
                                                         "[2]; found [3]"));
  EXPECT_EQ(error(sent), "accepted");
  // The later commands of the chunk do not change.
  EXPECT_EQ(fixture.actor->act(observation(1, true))[0].item<float>(), 2.0F);
  fixture.actor->reset(1);
  EXPECT_THAT(error(sent), HasSubstr("there is no command to replace"));
}

TEST(VlaActor, GivesItsHeadOneTokenPerCameraAndStep) {
  Fixture fixture;
  fixture.actor->reset(0);
  fixture.actor->act(observation(5, true));
  // Means of the front and the top camera, for both steps in the queue.
  EXPECT_TRUE(
      fixture.head->last_tokens.allclose(at::tensor({5.F, 105.F, 5.F, 105.F}).view({1, 4, 1})))
      << fixture.head->last_tokens;
}

TEST(VlaActor, AveragesTheChunksThatCoverAStep) {
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

}  // namespace
}  // namespace roboimi::vla_agent
