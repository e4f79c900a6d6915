// Success rate of the scripted expert, and replays of its commands.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "plugins/mujoco_env/mujoco_env.h"
#include "roboimi/common/error.h"

namespace roboimi::mujoco_env {
namespace {

// One episode without images.
struct Episode {
  std::vector<at::Tensor> actions;
  std::vector<at::Tensor> states;  // after each action: state, velocity and box joined
  std::vector<double> rewards;
  StepInfo info;
};

void note(const StepResult& result, Episode* episode) {
  const Observation& seen = result.observation;
  episode->states.push_back(at::cat({seen.state(), seen.velocity(), seen.env_state()}));
  episode->rewards.push_back(result.reward);
  episode->info = result.info;
}

Episode demonstrate(MujocoEnv& environment, std::uint64_t seed, double noise) {
  Episode episode;
  environment.reset(seed, false);
  const std::unique_ptr<Expert> expert = environment.make_expert(noise, seed);
  for (bool over = false; !over;) {
    episode.actions.push_back(expert->act());
    const StepResult result = environment.step(episode.actions.back(), false);
    note(result, &episode);
    over = result.truncated;
  }
  return episode;
}

Episode replay(MujocoEnv& environment, std::uint64_t seed, const std::vector<at::Tensor>& actions) {
  Episode episode;
  environment.reset(seed, false);
  for (const at::Tensor& action : actions) note(environment.step(action, false), &episode);
  return episode;
}

// Results over the seeds [first, first + count); the first `replays` episodes are also replayed.
struct Tally {
  int succeeded = 0;
  int held = 0;
  int replayed = 0;
  std::vector<std::uint64_t> failed;
};

Tally count_successes(std::uint64_t first, int count, double noise, int replays = 0,
                      double path_noise = 0.0) {
  constexpr int kThreads = 2;
  Tally parts[kThreads];
  std::vector<std::thread> threads;
  for (int part = 0; part < kThreads; ++part) {
    threads.emplace_back([&, part] {
      MujocoEnv environment({.expert_path_noise = path_noise});
      MujocoEnv other({});
      for (std::uint64_t seed = first + part; seed < first + count; seed += kThreads) {
        const Episode episode = demonstrate(environment, seed, noise);
        parts[part].succeeded += episode.info.success;
        parts[part].held += episode.info.stable_success;
        if (!episode.info.stable_success) parts[part].failed.push_back(seed);
        if (seed >= first + replays) continue;
        const Episode again = replay(other, seed, episode.actions);
        parts[part].replayed += again.info.success == episode.info.success &&
                                at::equal(at::stack(again.states), at::stack(episode.states));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  Tally sum = parts[0];
  sum.succeeded += parts[1].succeeded;
  sum.held += parts[1].held;
  sum.replayed += parts[1].replayed;
  sum.failed.insert(sum.failed.end(), parts[1].failed.begin(), parts[1].failed.end());
  return sum;
}

TEST(TransferExpert, SucceedsOnAtLeast95Of100DataSeedsAndReplaysBitExactly) {
  const Tally tally = count_successes(0, 100, 0.0, 100);
  EXPECT_GE(tally.succeeded, 95) << testing::PrintToString(tally.failed);
  EXPECT_GE(tally.held, 95) << testing::PrintToString(tally.failed);
  EXPECT_EQ(tally.replayed, 100);
}

TEST(TransferExpert, SucceedsOnTheTestSeeds) {
  const Tally tally = count_successes(1000, 100, 0.0);
  EXPECT_GE(tally.succeeded, 95) << testing::PrintToString(tally.failed);
  RecordProperty("succeeded", tally.succeeded);
}

TEST(TransferExpert, ToleratesWayPointErrorsOfMillimeters) {
  const Tally tally = count_successes(0, 40, 0.003);
  EXPECT_GE(tally.succeeded, 32) << testing::PrintToString(tally.failed);
}

TEST(TransferExpert, ReachesEveryStageInOrder) {
  MujocoEnv environment({});
  const Episode episode = demonstrate(environment, 3, 0.0);
  std::vector<double> stages;
  for (const double reward : episode.rewards) {
    if (stages.empty() || stages.back() != reward) stages.push_back(reward);
  }
  EXPECT_THAT(stages, testing::ElementsAre(0, 1, 2, 3, 4));
  EXPECT_EQ(episode.info.stage, 4);
}

TEST(TransferExpert, NoiseChangesTheCommandsReproduciblyBySeed) {
  MujocoEnv environment({});
  const std::vector<at::Tensor> plain = demonstrate(environment, 5, 0.0).actions;
  environment.reset(5, false);
  const auto commands = [&](double noise, std::uint64_t seed) {
    const std::unique_ptr<Expert> expert = environment.make_expert(noise, seed);
    std::vector<at::Tensor> all;
    for (int step = 0; step < 200; ++step) all.push_back(expert->act());
    return at::stack(all);
  };
  EXPECT_TRUE(at::equal(commands(0.0, 1), at::stack(plain)));
  EXPECT_TRUE(at::equal(commands(0.01, 1), commands(0.01, 1)));
  EXPECT_FALSE(at::equal(commands(0.01, 1), commands(0.01, 2)));
  EXPECT_FALSE(at::equal(commands(0.01, 1), commands(0.0, 1)));
}

// Commands [200, 16] for the box of seed 5.
at::Tensor commands_by(double noise, double path_noise) {
  MujocoEnv environment({.expert_path_noise = path_noise});
  environment.reset(5, false);
  const std::unique_ptr<Expert> expert = environment.make_expert(noise, 1);
  std::vector<at::Tensor> all;
  for (int step = 0; step < 200; ++step) all.push_back(expert->act());
  return at::stack(all);
}

TEST(TransferExpert, PathNoiseDoesNotMoveTheGrasps) {
  const at::Tensor plain = commands_by(0.0, 0.0), varied = commands_by(0.0, 0.02);
  const auto difference = [&](int step, int arm) {
    return (varied[step] - plain[step]).narrow(0, 8 * arm, 8).abs().max().item<double>();
  };
  // The right gripper is in the air at step 31, the left one at 91; they close from 48 and 107 on.
  // At the end of another path, the same pose has slightly different joint angles.
  EXPECT_GT(difference(31, kRight), 0.02);
  EXPECT_GT(difference(91, kLeft), 0.02);
  EXPECT_LT(difference(47, kRight), 0.01);
  EXPECT_LT(difference(107, kLeft), 0.01);
  EXPECT_FALSE(at::equal(commands_by(0.002, 0.02), varied));
}

TEST(TransferExpert, SucceedsOverVariedPaths) {
  const Tally tally = count_successes(0, 40, 0.002, 0, 0.02);
  EXPECT_GE(tally.succeeded, 36) << testing::PrintToString(tally.failed);
}

TEST(TransferExpert, RejectsNegativeNoise) {
  MujocoEnv environment({});
  environment.reset(0, false);
  EXPECT_THROW(environment.make_expert(-0.01, 0), Error);
}

}  // namespace
}  // namespace roboimi::mujoco_env
