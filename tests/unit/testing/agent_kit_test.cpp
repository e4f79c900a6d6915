// Tests of the agent checks: a correct agent passes all, and each fault is found by its check.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/linear.h>
#include <torch/utils.h>

#include <atomic>
#include <chrono>
#include <limits>
#include <memory>
#include <thread>
#include <vector>

#include "roboimi/common/error.h"
#include "roboimi/common/random.h"
#include "roboimi/contract/normalizer.h"
#include "roboimi/testing/agent_checks.h"
#include "tests/unit/testing/failing_checks.h"

namespace roboimi::testing {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;

enum class AgentFault {
  kNone,
  kBadHorizons,
  kNeedsNoStatistics,
  kNanLoss,
  kUnseededLoss,
  kDefaultGenerator,
  kUnusedParameter,
  kWideCommand,
  kRemembers,
  kLooksUnasked,
  kForgetsStatistics,
  kGrows,
  kSharesItsEpisode,
  kSharesNoise,
  kOtherUnderADeadline,
  kMissesTheDeadline,
  kTakesChunksEarly,
};

constexpr std::int64_t kHorizon = 8;
constexpr std::int64_t kLatency = 1;

// The state of an episode.
struct Episode {
  std::uint64_t seed = 0;
  std::int64_t step = 0;
  at::Tensor chunk, next;  // [H, A]; the next one is used when its latency is over
  std::int64_t start = 0;  // the step of the chunk's row 0
};

class FaultyAgent : public Agent {
 public:
  FaultyAgent(AgentFault fault, const ObservationSpec& spec) : fault_(fault), spec_(spec) {
    horizons_ = {.obs = 1, .pred = kHorizon, .num_action = 4};
    horizons_.alignment = Alignment::kPresentObservation;
    if (fault == AgentFault::kBadHorizons) horizons_.num_action = kHorizon + 1;
    linear_ =
        register_module("linear", torch::nn::Linear(spec.state_dim(), kHorizon * spec.action_dim));
    const auto normalizer =
        std::make_shared<Normalizer>("state", spec.state_dim(), Normalization::kMeanStd);
    // Without registration, the statistics are not saved.
    state_ = fault == AgentFault::kForgetsStatistics
                 ? normalizer
                 : register_module("state_normalizer", normalizer);
    if (fault == AgentFault::kUnusedParameter) register_parameter("unused", at::ones({2}));
  }

  const ObservationSpec& spec() const override { return spec_; }
  const Horizons& horizons() const override { return horizons_; }
  Backbone* backbone() const override { return nullptr; }
  void set_statistics(const DatasetStatistics& statistics) override {
    state_->fit(statistics.state);
  }
  bool has_statistics() const override {
    return fault_ == AgentFault::kNeedsNoStatistics || state_->fitted();
  }

  LossReport loss(const Batch& batch, at::Generator& generator) override {
    const at::Tensor state = batch.observations.at(kState).select(1, 0);
    at::Generator own = make_generator(static_cast<std::uint64_t>(count_++));
    const at::Tensor noise =
        fault_ == AgentFault::kDefaultGenerator
            ? at::randn(state.sizes())
            : at::randn(state.sizes(), fault_ == AgentFault::kUnseededLoss ? own : generator);
    const at::Tensor error = chunks_of(state + 0.1 * noise) - batch.actions;
    const at::Tensor loss = error.square().mean();
    if (fault_ == AgentFault::kNanLoss)
      return {.loss = loss * std::numeric_limits<float>::quiet_NaN()};
    return {.loss = loss};
  }

  std::unique_ptr<Actor> make_actor(const ActorOptions& options) override;

  at::Tensor sample_plans(const std::vector<PlanRequest>& requests) override {
    std::vector<at::Tensor> states, noise;
    const std::vector<std::int64_t> row = {kHorizon, spec_.action_dim};
    for (const PlanRequest& request : requests) {
      states.push_back(request.condition.steps[0]);
      // The fault: one generator for all rows changes the rows' noise.
      const at::Generator& source =
          fault_ == AgentFault::kSharesNoise ? requests.front().noise : request.noise;
      noise.push_back(at::randn(row, source));
    }
    return chunks_of(at::stack(states)) + 0.1 * at::stack(noise);
  }

  // [B, S] -> [B, H, A].
  at::Tensor chunks_of(const at::Tensor& states) {
    if (!has_statistics()) throw Error("the agent has no statistics");
    const at::Tensor normalized = state_->fitted() ? state_->normalize(states) : states;
    return linear_(normalized).view({states.size(0), kHorizon, spec_.action_dim});
  }

  AgentFault fault() const { return fault_; }
  Episode& shared_episode() { return shared_; }
  void keep(const at::Tensor& tensor) { kept_.push_back(tensor.clone()); }

 private:
  AgentFault fault_;
  ObservationSpec spec_;
  Horizons horizons_;
  torch::nn::Linear linear_{nullptr};
  std::shared_ptr<Normalizer> state_;
  Episode shared_;
  std::vector<at::Tensor> kept_;
  static inline std::atomic<int> count_ = 0;
};

class FaultyActor final : public Actor {
 public:
  FaultyActor(FaultyAgent& agent, const ActorOptions& options) : agent_(agent), options_(options) {}

  void reset(std::uint64_t seed) override {
    const std::int64_t step = has(AgentFault::kRemembers) ? episode().step : 0;
    episode() = {.seed = seed, .step = step};
  }
  bool needs_images() const override { return false; }
  std::int64_t latency_steps() const override { return kLatency; }
  ActTiming last_timing() const override { return timing_; }

  void observe(const Observation& observation) override {
    state_ = observation.at(kState).clone();
    if (has(AgentFault::kLooksUnasked)) observation.at(agent_.spec().camera_names().front());
    const std::int64_t step = episode().step;
    wants_ = step == 0 || (step + kLatency) % agent_.horizons().num_action == 0;
    timing_ = {};
  }
  bool wants_plan() const override { return wants_; }
  PlanRequest plan_request() override {
    wants_ = false;
    const auto step = static_cast<std::uint64_t>(episode().step);
    return {.condition = Condition(state_.unsqueeze(0)),
            .noise = make_generator(mix_seed(episode().seed, step))};
  }
  void accept(const at::Tensor& chunk) override {
    episode().next = chunk;
    if (episode().step == 0 || has(AgentFault::kTakesChunksEarly)) take();
  }
  at::Tensor command() override {
    Episode& now = episode();
    if (now.step % agent_.horizons().num_action == 0 && now.next.defined()) take();
    // Let other threads run between reading and writing the episode.
    if (has(AgentFault::kSharesItsEpisode))
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    at::Tensor command = now.chunk[std::min(now.step - now.start, kHorizon - 1)].clone();
    ++now.step;
    if (has(AgentFault::kWideCommand)) command = at::cat({command, command});
    if (has(AgentFault::kGrows)) agent_.keep(command);
    if (options_.deadline && has(AgentFault::kOtherUnderADeadline)) command += 1.0;
    if (options_.deadline && has(AgentFault::kMissesTheDeadline) && now.step == 3) {
      std::this_thread::sleep_for(std::chrono::milliseconds(400));
    }
    return command;
  }
  at::Tensor act(const Observation& observation) override {
    const torch::NoGradGuard no_grad;
    observe(observation);
    if (wants_plan()) accept(agent_.sample_plans({plan_request()})[0]);
    return command();
  }

 private:
  bool has(AgentFault fault) const { return agent_.fault() == fault; }
  Episode& episode() { return has(AgentFault::kSharesItsEpisode) ? agent_.shared_episode() : own_; }
  void take() {
    Episode& now = episode();
    now.chunk = std::exchange(now.next, at::Tensor());
    // A chunk starts at the step of its observation.
    const bool is_early = now.step % agent_.horizons().num_action != 0;
    now.start = now.step == 0 || is_early ? now.step : now.step - kLatency;
    timing_.plan_ms = 1.0;
  }

  FaultyAgent& agent_;
  ActorOptions options_;
  Episode own_;
  at::Tensor state_;
  bool wants_ = false;
  ActTiming timing_;
};

std::unique_ptr<Actor> FaultyAgent::make_actor(const ActorOptions& options) {
  return std::make_unique<FaultyActor>(*this, options);
}

class FaultySubject : public AgentSubject {
 public:
  explicit FaultySubject(AgentFault fault) : fault_(fault) {}
  std::shared_ptr<Agent> make(const ObservationSpec& spec) const override {
    return std::make_shared<FaultyAgent>(fault_, spec);
  }

 private:
  AgentFault fault_;
};

TEST(AgentKit, PassesAnAgentWithoutAFaultAndSkipsNothing) {
  EXPECT_THAT(failing_checks(agent_checks(), FaultySubject(AgentFault::kNone)), IsEmpty());
  EXPECT_THAT(checks_that(CheckStatus::kSkipped, agent_checks(), FaultySubject(AgentFault::kNone)),
              IsEmpty());
}

class EachAgentFault : public ::testing::TestWithParam<std::pair<AgentFault, const char*>> {};

TEST_P(EachAgentFault, IsFoundByItsCheck) {
  const auto& [fault, name] = GetParam();
  EXPECT_EQ(run_check(check_named(agent_checks(), name), FaultySubject(fault)).status,
            CheckStatus::kFailed);
}

const std::vector<std::pair<AgentFault, const char*>> kAgentFaults = {
    {AgentFault::kBadHorizons, "horizons_fit_together"},
    {AgentFault::kNeedsNoStatistics, "statistics_come_first"},
    {AgentFault::kNanLoss, "loss_is_one_finite_number"},
    {AgentFault::kUnseededLoss, "same_seed_same_loss"},
    {AgentFault::kDefaultGenerator, "default_generator_is_untouched"},
    {AgentFault::kUnusedParameter, "gradient_reaches_every_parameter"},
    {AgentFault::kWideCommand, "commands_fit_the_robot"},
    {AgentFault::kRemembers, "reset_forgets_the_past"},
    {AgentFault::kLooksUnasked, "unneeded_images_may_be_missing"},
    {AgentFault::kSharesItsEpisode, "actors_do_not_disturb_each_other"},
    {AgentFault::kSharesNoise, "batched_plans_equal_single_plans"},
    {AgentFault::kOtherUnderADeadline, "a_met_deadline_changes_no_command"},
    {AgentFault::kMissesTheDeadline, "a_deadline_is_kept"},
    {AgentFault::kTakesChunksEarly, "chunks_start_after_their_latency"},
    {AgentFault::kForgetsStatistics, "statistics_travel_with_the_weights"},
    {AgentFault::kGrows, "memory_does_not_grow"}};

INSTANTIATE_TEST_SUITE_P(All, EachAgentFault, ::testing::ValuesIn(kAgentFaults));

TEST(AgentKit, HasAFaultForEachOfItsChecks) {
  std::set<std::string> checks, broken;
  for (const Check<AgentSubject>& check : agent_checks()) checks.insert(check.name);
  for (const auto& [fault, check] : kAgentFaults) broken.insert(check);
  EXPECT_EQ(checks, broken);
}

}  // namespace
}  // namespace roboimi::testing
