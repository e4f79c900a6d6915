#include "roboimi/deploy/policy.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <thread>

#include "roboimi/deploy/check_observation.h"
#include "tests/error_text.h"
#include "tests/unit/deploy/scripted_agent.h"

namespace roboimi {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A state of size 3, 2 actions, and the camera `front` if requested.
ObservationSpec spec(bool with_camera = false) {
  ObservationSpec spec{.streams = {vector_stream(kState, 3)}, .action_dim = 2};
  if (with_camera) spec.set(rgb_stream("front", {4, 6}));
  return spec;
}

LoadedRun loaded(testing::ScriptedAgent::Script script, bool with_camera = false) {
  CheckpointState state;
  state.action_range = {.min = {-1, -1}, .max = {1, 1}, .largest_step = {1, 0.1}};
  return {.agent = std::make_shared<testing::ScriptedAgent>(spec(with_camera), std::move(script)),
          .state = state};
}

at::Tensor command(float first, float second) { return at::tensor({first, second}); }

testing::ScriptedAgent::Script always(float first, float second) {
  return [=](int, ActTiming&) { return command(first, second); };
}

Observation observation() { return {{"state", at::zeros({3})}}; }

std::vector<float> values_of(const at::Tensor& action) {
  return {action[0].item<float>(), action[1].item<float>()};
}

TEST(Policy, ReturnsTheAgentsCommand) {
  Policy policy(loaded(always(0.5, 0.05F)), {}, "test");
  policy.reset(1, Policy::kUnknownCommand);
  const PolicyStep step = policy.act(observation());
  EXPECT_THAT(values_of(step.action), ElementsAre(0.5F, 0.05F));
  EXPECT_FALSE(step.late());
  EXPECT_FALSE(step.held());
  EXPECT_THAT(step.limited_by_range, IsEmpty());
  EXPECT_THAT(step.limited_by_step, IsEmpty());
  EXPECT_GT(step.act_ms, 0.0);
}

TEST(Policy, LimitsTheRangeOfTheFirstCommandAndAlsoTheStepOfTheNext) {
  Policy policy(
      loaded([](int step, ActTiming&) { return step == 0 ? command(9, -0.5) : command(0.5, 0.5); }),
      {}, "test");
  policy.reset(1, Policy::kUnknownCommand);
  const PolicyStep first = policy.act(observation());
  EXPECT_THAT(values_of(first.action), ElementsAre(1.1F, -0.5F));
  EXPECT_THAT(first.limited_by_range, ElementsAre(0));
  EXPECT_THAT(first.limited_by_step, IsEmpty());
  const PolicyStep second = policy.act(observation());
  EXPECT_FLOAT_EQ(second.action[1].item<float>(), -0.35F);
  EXPECT_THAT(second.limited_by_step, ElementsAre(1));
  policy.reset(2, Policy::kUnknownCommand);
  EXPECT_THAT(policy.act(observation()).limited_by_step, IsEmpty());
  const PolicyReport report = policy.report();
  EXPECT_EQ(report.steps, 3);
  EXPECT_THAT(report.limited_by_range, ElementsAre(2, 0));
  EXPECT_THAT(report.limited_by_step, ElementsAre(0, 1));
  EXPECT_GE(report.total_act_ms, report.max_act_ms);
}

TEST(Policy, LimitsTheFirstStepIfTheRobotsCommandIsKnown) {
  Policy policy(loaded(always(0.5, 0.5)), {}, "test");
  at::Tensor now = command(0, 0);
  policy.reset(1, now);
  now.fill_(9);  // the policy has its own copy
  EXPECT_THAT(values_of(policy.act(observation()).action), ElementsAre(0.5F, 0.15F));
  EXPECT_THAT(error_or_accepted([&] { policy.reset(1, at::zeros({3})); }),
              HasSubstr("the last command does not match the policy: expected 2 finite values"));
}

TEST(Policy, RepeatsTheLastCommandWhenTheAgentHolds) {
  Policy policy(loaded([](int step, ActTiming& timing) {
                  timing.late = timing.held = step == 2;
                  return command(0, step == 0 ? 0.F : 1.F);
                }),
                {}, "test");
  policy.reset(0, Policy::kUnknownCommand);
  policy.act(observation());
  EXPECT_FLOAT_EQ(policy.act(observation()).action[1].item<float>(), 0.15F);
  const PolicyStep held = policy.act(observation());
  EXPECT_TRUE(held.held());
  EXPECT_FLOAT_EQ(held.action[1].item<float>(), 0.15F);
  EXPECT_THAT(held.limited_by_step, IsEmpty());
  EXPECT_EQ(policy.report().held, 1);
  EXPECT_EQ(policy.report().late, 1);
}

TEST(Policy, ReturnsActionsThatTheCallerMayModify) {
  Policy policy(loaded(always(0, 0)), {}, "test");
  policy.reset(0, Policy::kUnknownCommand);
  policy.act(observation()).action.fill_(5);
  EXPECT_THAT(values_of(policy.act(observation()).action), ElementsAre(0.F, 0.F));
}

TEST(Policy, ReportsInvalidObservationsAndRemainsUsable) {
  Policy policy(loaded(always(0, 0), /*with_camera=*/true), {}, "test");
  policy.reset(0, Policy::kUnknownCommand);
  const auto error = [&](const std::function<void(Observation&)>& change) {
    Observation now = observation();
    now["front"] = at::zeros({4, 6, 3}, at::kByte);
    change(now);
    return error_or_accepted([&] { policy.act(now); });
  };
  EXPECT_THAT(error([](Observation& o) { o["state"] = at::zeros({4}); }),
              HasSubstr("observation.state: 'state' has the wrong shape or dtype: expected float32 "
                        "[3]; found float32 [4]"));
  EXPECT_THAT(error([](Observation& o) { o["state"] = at::Tensor(); }), HasSubstr("found nothing"));
  EXPECT_THAT(error([](Observation& o) { o["state"] = at::zeros({3}, at::kLong); }),
              HasSubstr("found int64 [3]"));
  EXPECT_THAT(error([](Observation& o) { o.state()[1] = std::nanf(""); }),
              HasSubstr("'state' is not finite: expected finite values; found nan at index 1"));
  EXPECT_THAT(error([](Observation& o) { o.erase("front"); }),
              HasSubstr("observation['front']: camera 'front' is missing: expected uint8 "
                        "[4, 6, 3] (RGB, HWC); found no camera"));
  EXPECT_THAT(error([](Observation& o) {
                o["front"] = at::zeros({6, 4, 3}, at::kByte);
              }),
              HasSubstr("found uint8 [6, 4, 3]"));
  EXPECT_THAT(error([](Observation& o) {
                o["front"] = at::zeros({4, 6, 3});
              }),
              HasSubstr("found float32 [4, 6, 3]"));
  EXPECT_EQ(policy.report().steps, 0);
  EXPECT_TRUE(policy.needs_images());
  EXPECT_EQ(error([](Observation&) {}), "accepted");
  // The agent does not use the next image.
  EXPECT_FALSE(policy.needs_images());
  EXPECT_EQ(error([](Observation& o) { o.erase("front"); }), "accepted");
}

TEST(CheckObservation, RefusesDepthThatIsNotFinite) {
  ObservationSpec spec;
  spec.set(depth_stream("top_depth", {2, 3}));
  Observation observation = {{"top_depth", at::ones({2, 3})}};
  EXPECT_NO_THROW(check_observation(observation, spec, {"top_depth"}, true));
  observation["top_depth"][1][2] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(error_text([&] { check_observation(observation, spec, {"top_depth"}, true); }),
              HasSubstr("depth image 'top_depth' is not finite"));
}

TEST(Policy, RefusesToActBeforeTheFirstReset) {
  Policy policy(loaded(always(0, 0)), {}, "test");
  EXPECT_THAT(error_or_accepted([&] { policy.act(observation()); }),
              HasSubstr("Policy::act: act() before reset(); start each episode with reset("));
  policy.reset(1, command(0, 0));
  EXPECT_THAT(values_of(policy.act(observation()).action), ElementsAre(0.F, 0.F));
}

TEST(Policy, ConvertsAgentExceptionsToErrorsAndRemainsUsable) {
  Policy policy(loaded([](int step, ActTiming&) -> at::Tensor {
                  if (step == 0) throw std::out_of_range("map::at");
                  if (step == 1) throw 7;
                  if (step == 2) throw Error("the head has failed");
                  if (step == 3) return {};
                  return step == 4 ? at::zeros({1, 2}) : command(0, 0.05F);
                }),
                {}, "runs/x");
  policy.reset(0, Policy::kUnknownCommand);
  const auto error = [&] { return error_or_accepted([&] { policy.act(observation()); }); };
  EXPECT_EQ(error(), "runs/x: the agent failed in act(): found map::at");
  EXPECT_EQ(error(),
            "runs/x: the agent failed in act(): found an exception that is not a "
            "std::exception");
  EXPECT_EQ(error(), "the head has failed");
  EXPECT_THAT(error(), HasSubstr("the policy's command is invalid"));
  EXPECT_THAT(error(), HasSubstr("expected 2 finite values; found another size"));
  EXPECT_EQ(error(), "accepted");
  EXPECT_EQ(policy.report().steps, 1);
}

TEST(Policy, ReportsAStateFarOutsideTheTrainingData) {
  LoadedRun agent = loaded(always(0, 0));
  agent.state.state_range = {.min = {-1, -1, -1}, .max = {1, 1, 1}};
  Policy policy(std::move(agent), {}, "test");
  policy.reset(0, Policy::kUnknownCommand);
  EXPECT_THAT(policy.act({{"state", at::tensor({0.1F, 0.2F, 0.3F})}}).state_outside, IsEmpty());
  EXPECT_THAT(policy.act({{"state", at::tensor({5.7F, 0.2F, 17.F})}}).state_outside,
              ElementsAre(0, 2));
  EXPECT_THAT(policy.report().state_outside, ElementsAre(1, 0, 1));
}

TEST(Policy, RefusesCommandsThatAreNotFinite) {
  Policy policy(loaded([](int step, ActTiming&) {
                  return command(0, step == 1 ? std::numeric_limits<float>::quiet_NaN() : 0.F);
                }),
                {}, "test");
  policy.reset(0, Policy::kUnknownCommand);
  policy.act(observation());
  EXPECT_THAT(error_or_accepted([&] { policy.act(observation()); }),
              HasSubstr("expected 2 finite values; found a value that is not finite"));
  EXPECT_THAT(values_of(policy.act(observation()).action), ElementsAre(0.F, 0.F));
}

TEST(Policy, CountsMissedDeadlines) {
  LoadedRun slow = loaded([](int step, ActTiming&) {
    if (step == 1) std::this_thread::sleep_for(std::chrono::milliseconds(1500));
    return command(0, 0);
  });
  const auto& agent = static_cast<testing::ScriptedAgent&>(*slow.agent);
  Policy policy(std::move(slow), {.deadline_ms = 1000.0}, "test");
  EXPECT_EQ(agent.deadline, std::chrono::seconds(1));
  policy.reset(0, Policy::kUnknownCommand);
  for (int i = 0; i < 3; ++i) policy.act(observation());
  EXPECT_EQ(policy.report().missed_deadlines, 1);
  EXPECT_GE(policy.report().max_act_ms, 1500.0);
}

TEST(Policy, RefusesInvalidOptions) {
  const auto error = [](const PolicyOptions& options, bool acts = true) {
    LoadedRun agent = loaded(always(0, 0));
    auto& scripted = static_cast<testing::ScriptedAgent&>(*agent.agent);
    scripted.can_act = acts;
    scripted.keeps_deadlines = false;
    return error_or_accepted([&] { Policy(std::move(agent), options, "runs/x"); });
  };
  EXPECT_EQ(error({}), "accepted");
  EXPECT_THAT(error({.deadline_ms = 5.0}), HasSubstr("this agent does not support deadlines"));
  EXPECT_THAT(error({.deadline_ms = 0.0}), HasSubstr("deadline_ms: the deadline is not positive"));
  EXPECT_THAT(error({.threads = 0}), HasSubstr("threads: a policy needs at least one thread"));
  EXPECT_THAT(error({}, /*acts=*/false), HasSubstr("runs/x: this agent does not act"));
}

TEST(Policy, UsesTheGivenNumberOfThreads) {
  const int before = at::get_num_threads();
  int seen = 0;
  Policy policy(loaded([&](int, ActTiming&) {
                  seen = at::get_num_threads();
                  return command(0, 0);
                }),
                {.threads = 2}, "test");
  policy.reset(0, Policy::kUnknownCommand);
  std::thread([&] { policy.act(observation()); }).join();
  EXPECT_EQ(seen, 2);
  at::set_num_threads(before);
}

TEST(Policy, MayBeCalledFromAnyThread) {
  constexpr int kThreads = 4, kCalls = 500;
  std::atomic<int> inside = 0, most_inside = 0;
  Policy policy(loaded([&](int, ActTiming&) {
                  most_inside = std::max(most_inside.load(), ++inside);
                  --inside;
                  return command(5, 0);
                }),
                {}, "test");
  policy.reset(0, Policy::kUnknownCommand);
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      for (int call = 0; call < kCalls; ++call) {
        const PolicyStep step = policy.act(observation());
        wrong += step.action[0].item<float>() == 1.1F ? 0 : 1;
        if (call % 50 == i) policy.reset(static_cast<std::uint64_t>(call), Policy::kUnknownCommand);
        wrong += policy.report().steps > 0 && !policy.needs_images() ? 0 : 1;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(most_inside, 1);
  EXPECT_EQ(policy.report().steps, kThreads * kCalls);
  EXPECT_EQ(policy.report().limited_by_range[0], kThreads * kCalls);
}

}  // namespace
}  // namespace roboimi
