// Tests of the agent checks: a correct agent passes all, and each fault is found by its check.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/linear.h>
#include <torch/utils.h>

#include <atomic>
#include <chrono>
#include <future>
#include <limits>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
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
  kReadsUnneededImages,
  kForgetsStatistics,
  kGrows,
  kSharesItsEpisode,
  kSharesNoise,
  kMixesLaterBatches,
  kForgetsThePrefix,
  kInventsThePrefix,
  kIgnoresReplacedCommands,
  kOtherUnderADeadline,
  kIgnoresTheDeadline,
  kSleepsUnderADeadline,
  kTakesChunksEarly,
};

constexpr std::int64_t kHorizon = 8;
constexpr std::int64_t kLatency = 1;
constexpr std::int64_t kPast = 1;  // rows of a chunk before its observation

// The state of an episode.
struct Episode {
  std::uint64_t seed = 0;
  std::int64_t step = 0;
  at::Tensor sent;              // the last command
  at::Tensor chunk, next;       // [H, A]; the next one is used when its latency is over
  std::int64_t start = 0;       // the step of the chunk's row 0
  std::int64_t next_start = 0;  // that of the next chunk
  std::int64_t due = 0;         // the step at which the next chunk is used
};

class FaultyAgent : public Agent {
 public:
  FaultyAgent(AgentFault fault, const ObservationSpec& spec) : fault_(fault), spec_(spec) {
    horizons_ = {.obs = kPast + 1, .pred = kHorizon, .num_action = 4};
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
    at::Tensor chunks = chunks_of(at::stack(states)) + 0.1 * at::stack(noise);
    // The fault: later batches mix their rows.
    if (fault_ == AgentFault::kMixesLaterBatches && requests.size() > 1 && ++num_batches_ > 1) {
      chunks = chunks.flip(0);
    }
    for (std::size_t i = 0; i < requests.size(); ++i) {
      const at::Tensor& prefix = requests[i].prefix;
      if (!prefix.defined() || fault_ == AgentFault::kForgetsThePrefix) continue;
      chunks[static_cast<std::int64_t>(i)].narrow(0, 0, prefix.size(0)).copy_(prefix);
    }
    return chunks;
  }

  // [B, S] -> [B, H, A].
  at::Tensor chunks_of(const at::Tensor& states) {
    if (!has_statistics()) throw Error("the agent has no statistics");
    const at::Tensor normalized = state_->fitted() ? state_->normalize(states) : states;
    return linear_(normalized).view({states.size(0), kHorizon, spec_.action_dim});
  }

  AgentFault fault() const { return fault_; }
  Episode& shared_episode() { return shared_; }
  std::mutex& mutex() { return mutex_; }
  void keep(const at::Tensor& tensor) { kept_.push_back(tensor.clone()); }

 private:
  AgentFault fault_;
  ObservationSpec spec_;
  Horizons horizons_;
  torch::nn::Linear linear_{nullptr};
  std::shared_ptr<Normalizer> state_;
  Episode shared_;
  std::mutex mutex_;
  std::vector<at::Tensor> kept_;
  int num_batches_ = 0;
  static inline std::atomic<int> count_ = 0;
};

class FaultyActor final : public Actor {
 public:
  FaultyActor(FaultyAgent& agent, const ActorOptions& options) : agent_(agent), options_(options) {}

  void reset(std::uint64_t seed) override {
    if (plan_.valid()) plan_.wait();
    plan_ = {};
    const std::lock_guard lock(agent_.mutex());
    const Episode last = episode();
    episode() = {.seed = seed};
    if (has(AgentFault::kRemembers)) episode() = last;
  }
  bool needs_images() const override { return false; }
  std::int64_t latency_steps() const override { return kLatency; }
  ActTiming last_timing() const override { return timing_; }

  void observe(const Observation& observation) override {
    started_ = std::chrono::steady_clock::now();
    state_ = observation.at(kState).clone();
    if (has(AgentFault::kReadsUnneededImages)) observation.at(agent_.spec().camera_names().front());
    const std::int64_t step = episode().step;
    wants_ = step == 0 || (step + kLatency) % agent_.horizons().num_action == 0;
    timing_ = {};
  }
  bool wants_plan() const override { return wants_; }
  PlanRequest plan_request() override {
    wants_ = false;
    Episode& now = episode();
    now.next_start = now.step - kPast;
    now.due = now.step == 0 ? 0 : now.step + kLatency;
    PlanRequest request = {
        .condition = Condition(state_.unsqueeze(0)),
        .noise = make_generator(mix_seed(now.seed, static_cast<std::uint64_t>(now.step)))};
    // Committed: the last command, and that of this step, which comes from the chunk in use.
    if (now.step > 0) request.prefix = at::stack({now.sent, row_of_chunk()});
    if (now.step > 0 && has(AgentFault::kInventsThePrefix)) request.prefix[1] += 0.5;
    return request;
  }
  void accept(const at::Tensor& chunk) override {
    episode().next = chunk;
    if (episode().step == 0 || has(AgentFault::kTakesChunksEarly)) take();
  }
  at::Tensor command() override {
    Episode& now = episode();
    if (now.next.defined() && now.step >= now.due) take();
    at::Tensor command = row_of_chunk();
    ++now.step;
    now.sent = command.clone();
    if (has(AgentFault::kWideCommand)) command = at::cat({command, command});
    if (has(AgentFault::kGrows)) agent_.keep(command);
    if (options_.deadline && has(AgentFault::kOtherUnderADeadline)) command += 1.0;
    if (options_.deadline && has(AgentFault::kSleepsUnderADeadline) && now.step == 3) {
      std::this_thread::sleep_for(std::chrono::milliseconds(400));
    }
    return command;
  }
  void replace_command(const at::Tensor& sent) override {
    if (!has(AgentFault::kIgnoresReplacedCommands)) episode().sent = sent.clone();
  }
  at::Tensor act(const Observation& observation) override {
    const torch::NoGradGuard no_grad;
    // The fault: between two steps, actors in other threads continue the same episode.
    std::unique_lock<std::mutex> lock;
    if (has(AgentFault::kSharesItsEpisode)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      lock = std::unique_lock(agent_.mutex());
    }
    observe(observation);
    if (!options_.deadline || has(AgentFault::kIgnoresTheDeadline)) {
      if (wants_plan()) accept(agent_.sample_plans({plan_request()})[0]);
      return command();
    }
    // Plans are sampled on another thread. Only the first one is waited for without a limit.
    if (wants_plan() && !plan_.valid()) {
      plan_ = std::async(std::launch::async, [this, request = plan_request()] {
        const torch::NoGradGuard no_grad_there;
        return agent_.sample_plans({request})[0];
      });
    }
    const Episode& now = episode();
    if (plan_.valid() && (!now.chunk.defined() || arrives(now.step >= now.due))) {
      accept(plan_.get());
    }
    return command();
  }

 private:
  bool has(AgentFault fault) const { return agent_.fault() == fault; }
  Episode& episode() { return has(AgentFault::kSharesItsEpisode) ? agent_.shared_episode() : own_; }
  // The action of this step in the chunk in use.
  at::Tensor row_of_chunk() {
    const Episode& now = episode();
    return now.chunk[std::min(now.step - now.start, kHorizon - 1)].clone();
  }
  // Whether the plan is there, or within the deadline if it is due.
  bool arrives(bool is_due) const {
    const auto end = started_ + (is_due ? *options_.deadline / 2 : std::chrono::nanoseconds(0));
    return plan_.wait_until(end) == std::future_status::ready;
  }
  void take() {
    Episode& now = episode();
    now.chunk = std::exchange(now.next, at::Tensor());
    now.start = now.next_start;
    timing_.plan_ms = 1.0;
  }

  FaultyAgent& agent_;
  ActorOptions options_;
  Episode own_;
  at::Tensor state_;
  bool wants_ = false;
  ActTiming timing_;
  std::chrono::steady_clock::time_point started_;
  std::future<at::Tensor> plan_;  // its destructor waits
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
    {AgentFault::kReadsUnneededImages, "unneeded_images_may_be_missing"},
    {AgentFault::kSharesItsEpisode, "actors_do_not_disturb_each_other"},
    {AgentFault::kSharesNoise, "batched_plans_equal_single_plans"},
    {AgentFault::kMixesLaterBatches, "batched_plans_equal_single_plans"},
    {AgentFault::kForgetsThePrefix, "plans_continue_committed_actions"},
    {AgentFault::kInventsThePrefix, "plans_continue_committed_actions"},
    {AgentFault::kIgnoresReplacedCommands, "plans_continue_committed_actions"},
    {AgentFault::kOtherUnderADeadline, "a_met_deadline_changes_no_command"},
    {AgentFault::kIgnoresTheDeadline, "a_deadline_is_kept"},
    {AgentFault::kSleepsUnderADeadline, "a_deadline_is_kept"},
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
