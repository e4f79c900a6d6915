// Tests the alignment of observations and actions end to end: the WindowSampler cuts an expert's
// episode into chunks, and VlaAgent's action queue executes them in the simulator. At shift 0 the
// recorded path is reproduced exactly; shifted by one row it is not.
#include <gtest/gtest.h>

#include "plugins/vla_agent/vla_agent.h"
#include "roboimi/contract/environment.h"
#include "roboimi/contract/scene.h"
#include "roboimi/data/window_sampler.h"
#include "roboimi/plugin/registry.h"

namespace roboimi::e2e {
namespace {

constexpr std::uint64_t kSeed = 3;

std::shared_ptr<Environment> make_environment() {
  Registry::instance().load(ROBOIMI_BINARY_DIR "/lib/roboimi/plugins/libmujoco_env.so");
  return Registry::instance().create<Environment>(
      parse_yaml("{type: mujoco_env, task: sim_transfer}", "test"), "env");
}

// A dataset of one expert episode, held in memory.
class Recording : public Dataset {
 public:
  explicit Recording(Environment& environment)
      : spec_{.streams = {environment.spec().at(kState)},
              .action_dim = environment.spec().action_dim,
              .control_hz = environment.spec().control_hz} {
    // Let the expert act until the episode ends, and record every step.
    Observation observation = environment.reset(kSeed, false);
    const auto expert = environment.scene()->make_expert(0.0, 0);
    std::vector<at::Tensor> states, actions;
    for (bool done = false; !done;) {
      states.push_back(observation.state());
      actions.push_back(expert->act());
      const StepResult result = environment.step(actions.back(), false);
      observation = result.observation;
      done = result.terminated || result.truncated;
      success = result.info.success;
    }
    states_ = at::stack(states);
    actions_ = at::stack(actions);
    info_.length = states_.size(0);
  }
  const ObservationSpec& spec() const override { return spec_; }
  std::int64_t num_episodes() const override { return 1; }
  const EpisodeInfo& episode(std::int64_t) const override { return info_; }
  at::Tensor read(std::int64_t, const std::string&, std::int64_t first,
                  std::int64_t count) const override {
    return states_.slice(0, first, first + count);
  }
  at::Tensor actions(std::int64_t) const override { return actions_; }
  bool success = false;

 private:
  ObservationSpec spec_;
  EpisodeInfo info_;
  at::Tensor states_, actions_;
};

// A head that predicts the recorded chunk of the current row, moved by `shift` rows.
class RecordedHead : public Head {
 public:
  RecordedHead(HeadSpec spec, const WindowSampler& sampler, std::int64_t shift)
      : spec_(spec), sampler_(sampler), shift_(shift) {
    register_parameter("unused", at::zeros({1}));
  }
  const HeadSpec& spec() const override { return spec_; }
  LossReport loss(const at::Tensor&, const Condition&, const at::Tensor&, at::Generator&) override {
    return {.loss = at::zeros({})};
  }
  at::Tensor sample(const Condition&, const BatchGenerator&, const at::Tensor&) override {
    const std::int64_t row =
        std::clamp<std::int64_t>(current + shift_, 0, sampler_.num_windows() - 1);
    return sampler_.batch_of(at::tensor({row}, at::kLong)).actions;
  }
  std::int64_t current = 0;

 private:
  HeadSpec spec_;
  const WindowSampler& sampler_;
  std::int64_t shift_;
};

struct Replay {
  double largest_difference = 0.0;  // of any element of the state, in radians or gripper opening
  bool success = false;
};

Replay replay(Environment& environment, const std::shared_ptr<Recording>& recording,
              const Horizons& horizons, std::int64_t shift) {
  const WindowSampler sampler(recording, {.horizons = horizons, .batch_size = 1});
  const ObservationSpec& spec = recording->spec();
  auto head = std::make_shared<RecordedHead>(
      HeadSpec{spec.action_dim, horizons.pred, horizons.obs, spec.state_dim()}, sampler, shift);
  auto agent = std::make_shared<vla_agent::VlaAgent>(
      vla_agent::VlaAgentOptions{.horizons = horizons,
                                 .state_normalization = Normalization::kIdentity,
                                 .action_normalization = Normalization::kIdentity},
      spec, nullptr, head);
  // Act on the recording's initial state, and compare each state with the recorded one.
  Replay result;
  const auto actor = agent->make_actor({});
  actor->reset(0);
  Observation observation = environment.reset(kSeed, false);
  for (bool done = false; !done; ++head->current) {
    const at::Tensor recorded = recording->state(0)[head->current];
    const double difference = (recorded - observation.state()).abs().max().item<double>();
    result.largest_difference = std::max(result.largest_difference, difference);
    const StepResult step = environment.step(actor->act(observation), false);
    observation = step.observation;
    result.success = step.info.success;
    done = step.terminated || step.truncated;
  }
  return result;
}

class AlignmentRule : public ::testing::TestWithParam<Horizons> {};

TEST_P(AlignmentRule, TrueChunksReproduceTheRecordingAtShiftZeroOnly) {
  const auto environment = make_environment();
  const auto recording = std::make_shared<Recording>(*environment);
  ASSERT_TRUE(recording->success);

  const Replay exact = replay(*environment, recording, GetParam(), 0);
  EXPECT_EQ(exact.largest_difference, 0.0);
  EXPECT_TRUE(exact.success);
  for (const std::int64_t shift : {-1, 1}) {
    EXPECT_GT(replay(*environment, recording, GetParam(), shift).largest_difference, 1e-3) << shift;
  }
}

INSTANTIATE_TEST_SUITE_P(Horizons, AlignmentRule,
                         ::testing::Values(Horizons{2, 16, 8, Alignment::kFirstObservation},
                                           Horizons{1, 16, 16, Alignment::kPresentObservation},
                                           Horizons{3, 16, 14, Alignment::kFirstObservation}));

}  // namespace
}  // namespace roboimi::e2e
