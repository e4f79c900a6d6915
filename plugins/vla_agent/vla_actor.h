// VlaActor: one episode of a VlaAgent.
//
// Acting is receding-horizon: the last obs_horizon observations condition one chunk of pred_horizon
// actions, num_action_steps of which are executed before the next (see action_schedule.h). The
// observation queue holds visual features, not frames: a frame is encoded once. With latency_steps
// or a deadline, features and chunks are computed on a thread of their own while the chunk before
// plays. One plan is under way at a time: another that falls due meanwhile is owed, and starts from
// the newest observations when that one has come.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <future>
#include <memory>
#include <optional>
#include <vector>

#include "plugins/vla_agent/action_schedule.h"
#include "plugins/vla_agent/vla_agent.h"
#include "plugins/vla_agent/worker.h"
#include "roboimi/contract/actor.h"

namespace roboimi::vla_agent {

using Clock = std::chrono::steady_clock;

class VlaActor final : public Actor {
 public:
  // `agent` outlives the actor.
  VlaActor(VlaAgent& agent, const ActorOptions& options);
  ~VlaActor() override;

  // Waits for what is computed for the episode before.
  void reset(std::uint64_t seed) override;
  bool needs_images() const override;
  std::int64_t latency_steps() const override;
  at::Tensor act(const Observation& observation) override;
  ActTiming last_timing() const override { return timing_; }

  void observe(const Observation& observation) override;
  bool wants_plan() const override;
  PlanRequest plan_request() override;
  void accept(const at::Tensor& chunk) override;
  at::Tensor command() override;

 private:
  struct Plan {
    at::Tensor commands;  // [H, A], unnormalized, on the CPU
    double milliseconds = 0.0;
  };
  // One observation: raw until it is encoded, then as the condition has it. Where chunks are
  // computed aside, the worker alone touches it once it is queued.
  struct Step {
    Observation raw;
    bool with_images = false;  // otherwise no plan looks at them, and `features` stays undefined
    bool is_encoded = false;
    EncodedObservation encoded;
  };
  using Steps = std::vector<std::shared_ptr<Step>>;

  bool computes_aside() const;
  Observation looked_at(const Observation& observation) const;
  void encode(Step& step);
  void encode_ahead();
  bool sees_enough() const;
  at::Tensor committed_prefix() const;
  PlanRequest request_of(const Steps& steps, at::Generator noise, const at::Tensor& prefix);
  void begin_plan();
  void start_plan();
  bool plan_is_due() const;
  void receive_plan(Clock::time_point end);
  at::Tensor next_command();

  VlaAgent& agent_;
  std::optional<std::chrono::nanoseconds> deadline_;
  std::deque<std::shared_ptr<Step>> observations_;
  ActionSchedule schedule_;
  std::uint64_t seed_ = 0;
  std::uint64_t num_plans_ = 0;
  std::int64_t step_ = 0;                 // of the next command
  std::int64_t plan_step_ = 0;            // of the plan under way
  bool plan_owed_ = false;                // one is to start as soon as none is under way
  bool is_asked_ = false;                 // plan_request() was called, accept() was not
  Clock::time_point observed_;            // when the last observation came
  Clock::time_point planned_;             // when that of the plan under way came
  std::deque<at::Tensor> past_commands_;  // of the last first_action() steps, oldest first
  at::Tensor last_command_;               // undefined before the first
  ActTiming timing_;
  std::future<Plan> plan_;      // under way, or has come and not been received
  std::future<void> encoding_;  // ahead of a plan
  Worker worker_;               // last: its destructor waits for a thread that uses the rest
};

}  // namespace roboimi::vla_agent
