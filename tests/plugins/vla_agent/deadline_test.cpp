// Chunks that are late: the commands in the meantime, and the row at which a late chunk starts. A
// closed gate in the head or the backbone simulates a computation that takes longer than the
// deadline.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "tests/plugins/vla_agent/fake_parts.h"
#include "tests/wait_for.h"

namespace roboimi::vla_agent {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr Horizons kHorizons = {2, kHorizon, 8, Alignment::kFirstObservation};

// A deadline that no machine misses, and one that is missed only if a gate is closed.
constexpr auto kAmple = 10s;
constexpr auto kShort = 100ms;

struct Player : Fixture {
  explicit Player(std::chrono::nanoseconds deadline, VlaAgentOptions options = {},
                  Horizons horizons = kHorizons)
      : Fixture(horizons, true, options, {.deadline = deadline}) {
    actor->reset(0);
  }
  ~Player() { open(); }  // nothing may wait forever

  void open() {
    head->gate.open();
    backbone->gate.open();
  }
  // The first element of the next command, which is its row in the chunk.
  float act() {
    const bool with_images = actor->needs_images();
    return actor->act(observation(step++, with_images))[0].item<float>();
  }
  std::vector<float> act(int times) {
    std::vector<float> rows;
    for (int i = 0; i < times; ++i) rows.push_back(act());
    return rows;
  }
  // Opens the gates until `chunks` have been sampled in total; act() then finds the last one.
  void finish(int chunks) {
    open();
    EXPECT_TRUE(wait_for([&] { return head->finished >= chunks; }, 10s, 1ms));
    std::this_thread::sleep_for(20ms);  // time for the chunk to get from the head to the actor
  }
  bool late() const { return actor->last_timing().late; }
  bool held() const { return actor->last_timing().held; }

  int step = 0;
};

TEST(Deadline, DoesNotChangeCommandsIfChunksAreInTime) {
  for (const VlaAgentOptions& options :
       {VlaAgentOptions{}, {.latency_steps = 3}, {.ensemble_decay = 0.01}}) {
    Fixture waiting(kHorizons, true, options);
    Player player(kAmple, options);
    waiting.actor->reset(0);
    for (int step = 0; step < 40; ++step) {
      const Observation now = observation(step, waiting.actor->needs_images());
      EXPECT_EQ(player.actor->needs_images(), waiting.actor->needs_images());
      EXPECT_TRUE(player.actor->act(now).equal(waiting.actor->act(now))) << "step " << step;
      EXPECT_FALSE(player.late()) << "step " << step;
    }
    // Both may still be computing a chunk or a feature that the last step did not need.
    player.actor->reset(0);
    waiting.actor->reset(0);
    EXPECT_EQ(player.backbone->calls, waiting.backbone->calls);
  }
}

TEST(Deadline, ContinuesTheOldChunkWhileTheNewOneIsLate) {
  Player player(kShort);
  player.act(8);
  player.head->gate.close();
  EXPECT_THAT(player.act(3), ElementsAre(9, 10, 11));
  EXPECT_TRUE(player.late());
  EXPECT_FALSE(player.held());
  EXPECT_EQ(player.actor->last_timing().plan_ms, 0.0);
}

TEST(Deadline, ALateChunkStartsAtTheRowOfTheCurrentStep) {
  Player player(kShort);
  player.act(8);
  player.head->gate.close();
  player.act(3);  // steps 8, 9, 10
  player.finish(2);
  EXPECT_EQ(player.act(), 4);  // step 11 of the chunk whose row 1 is step 8
  EXPECT_FALSE(player.late());
  EXPECT_GT(player.actor->last_timing().plan_ms, 0.0);
  EXPECT_EQ(player.head->last_cond[0][1][0].item<float>(), 8);  // computed from the image of step 8
  // The next chunks are requested at the usual steps.
  EXPECT_THAT(player.act(6), ElementsAre(5, 6, 7, 8, 1, 2));
}

TEST(Deadline, HoldsTheLastCommandWhenTheOldChunkIsUsedUp) {
  Player player(kShort);
  player.act(8);
  player.head->gate.close();
  EXPECT_THAT(player.act(7), ElementsAre(9, 10, 11, 12, 13, 14, 15));
  EXPECT_FALSE(player.held());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(player.act(), 15);
    EXPECT_TRUE(player.late());
    EXPECT_TRUE(player.held());
  }
  player.finish(2);
  player.head->gate.close();
  // Step 18 is row 11 of the chunk of step 8; the pending chunk of step 16 is late now.
  EXPECT_EQ(player.act(), 11);
  EXPECT_FALSE(player.held());
  EXPECT_TRUE(player.late());
}

TEST(Deadline, HoldsTheCommandThatTheRobotWasSent) {
  Player player(kShort);
  player.act(8);
  player.head->gate.close();
  player.act(7);  // the last command of the chunk is 15
  player.actor->replace_command(at::tensor({3.0F, 0.0F}));
  EXPECT_EQ(player.act(), 3);
  EXPECT_TRUE(player.held());
}

TEST(Deadline, StartsAPendingChunkFromTheNewestObservations) {
  Player player(kShort);
  player.act(8);
  player.head->gate.close();
  player.act(12);  // steps 8 .. 19: the plan of step 16 is pending
  EXPECT_TRUE(player.actor->needs_images());
  player.finish(2);            // the plan of step 8
  EXPECT_EQ(player.act(), 1);  // step 20, from a chunk computed for it
  EXPECT_EQ(player.head->calls, 3);
  EXPECT_EQ(player.head->last_cond[0][1][0].item<float>(), 20);
  EXPECT_EQ(player.head->last_cond[0][0][0].item<float>(), 19);
}

TEST(Deadline, APlanThatArrivesAfterItsChunkEndsIsFollowedByAnother) {
  Player player(kShort);
  player.act(8);
  player.head->gate.close();
  player.act(30);  // the chunk of step 8 ends at step 22
  player.finish(2);
  EXPECT_EQ(player.act(), 1);
  EXPECT_FALSE(player.held());
  EXPECT_FALSE(player.late());
}

TEST(Deadline, IsAlsoMetIfTheEncoderIsSlow) {
  Player player(kShort);
  player.act(7);
  player.backbone->gate.close();
  const auto start = Clock::now();
  EXPECT_THAT(player.act(2), ElementsAre(8, 9));  // step 7 is encoded ahead, step 8 is planned
  EXPECT_TRUE(player.late());
  EXPECT_LT(Clock::now() - start, 5s);
  player.finish(2);
  EXPECT_EQ(player.act(), 2);
  EXPECT_EQ(player.head->last_cond[0][0][0].item<float>(), 7);
}

TEST(Deadline, CopiesItsObservations) {
  Player player(kShort);
  player.act(8);
  player.backbone->gate.close();
  Observation seen = observation(8, true);
  player.actor->act(seen);
  seen.state().fill_(-1);
  for (auto& [camera, image] : seen.images()) image.zero_();
  ++player.step;
  player.finish(2);
  player.act();
  const at::Tensor now = player.head->last_cond[0][1];
  EXPECT_TRUE(now.allclose(at::tensor({8.F, 108.F, 8.F, 8.F, 8.F}))) << now;
}

TEST(Deadline, EncodesEachImageOnce) {
  Player player(kAmple);
  player.act(24);
  player.actor->reset(0);                // waits for running computations
  EXPECT_EQ(player.backbone->calls, 6);  // steps 0, 7, 8, 15, 16, 23
}

TEST(Deadline, WithLatencyAChunkMayTakeThatLongAndNoLonger) {
  Player player(kShort, {.latency_steps = 3});
  player.act(5);
  player.head->gate.close();
  EXPECT_THAT(player.act(3), ElementsAre(6, 7, 8));  // requested at step 5, due at step 8
  EXPECT_FALSE(player.late());
  EXPECT_THAT(player.act(2), ElementsAre(9, 10));
  EXPECT_TRUE(player.late());
  player.finish(2);
  EXPECT_EQ(player.act(), 6);  // step 10: row 1 is step 5
}

TEST(Deadline, WithAnEnsembleTheChunksThatHaveArrivedAreAveraged) {
  Player player(kShort, {.ensemble_decay = 0.01}, {1, 4, 1, Alignment::kPresentObservation});
  player.act(3);  // each with its own chunk
  player.head->gate.close();
  // Step 3: rows 3, 2, 1 of the chunks of steps 0, 1, 2; the chunk of step 3 is late.
  const double w = std::exp(-0.01);
  EXPECT_NEAR(player.act(), (3 + 2 * w + w * w) / (1 + w + w * w), 1e-6);
  EXPECT_TRUE(player.late());
  EXPECT_NEAR(player.act(), (3 + 2 * w) / (1 + w), 1e-6);
  player.finish(4);
  // Step 5: rows 3 and 2 of the chunks of steps 2 and 3, and row 0 of its own, which was pending.
  EXPECT_NEAR(player.act(), (3 + 2 * w + 0) / (1 + w + w * w), 1e-6);
}

TEST(Deadline, DoesNotApplyToTheFirstChunkOfAnEpisode) {
  Player player(kShort);
  player.head->gate.close();
  std::thread opener([&] {
    std::this_thread::sleep_for(5 * kShort);
    player.open();
  });
  EXPECT_EQ(player.act(), 1);
  EXPECT_FALSE(player.late());
  opener.join();
}

TEST(Deadline, AnEpisodeThatEndsLateDoesNotAffectTheNext) {
  Player cut(kShort), fresh(kAmple);
  cut.act(8);
  cut.head->gate.close();
  cut.act(12);
  cut.open();
  cut.actor->reset(1);
  fresh.actor->reset(1);
  for (int step = 0; step < 12; ++step) {
    const Observation now = observation(step, true);
    EXPECT_TRUE(cut.actor->act(now).equal(fresh.actor->act(now))) << "step " << step;
    EXPECT_FALSE(cut.late());
  }
}

TEST(Deadline, AChunkThatFailsGivesAnErrorAndIsRequestedAgain) {
  for (const std::int64_t latency : {0, 3}) {
    Player player(kAmple, {.latency_steps = latency});
    player.act(8 - static_cast<int>(latency));
    player.head->fails = true;
    player.act(static_cast<int>(latency));
    try {
      player.act();
      FAIL() << "a failed chunk was executed";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("the head has failed"));
    }
    player.head->fails = false;
    EXPECT_TRUE(player.actor->needs_images());
    player.act(2);
    // Requested at step 8, or at step 9, when images of both steps have been observed.
    EXPECT_EQ(player.act(3).back(), latency == 0 ? 5 : 4);
    EXPECT_FALSE(player.late());
    EXPECT_EQ(player.head->calls, 3);
  }
}

}  // namespace
}  // namespace roboimi::vla_agent
