// VlaActor, which runs one episode of a VlaAgent.
//
// It acts with a receding horizon: the last obs_horizon observations condition one chunk of
// pred_horizon actions, of which num_action_steps are executed before the next chunk (see
// action_schedule.h). The observation queue holds visual features, not frames, so each frame is
// encoded once. Between observe() and plan_request() the queue holds frames, so that an agent can
// encode those of several actors as one batch. With latency_steps or a deadline, features and
// chunks are computed on a worker thread while the previous chunk is executed. Only one plan is in
// progress at a time. If another one falls due meanwhile, it is pending, and starts from the newest
// observations when the current one has finished.
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
  // `agent` must outlive the actor.
  VlaActor(VlaAgent& agent, const ActorOptions& options);
  ~VlaActor() override;

  // Waits for computations of the previous episode.
  void reset(std::uint64_t seed) override;
  bool needs_images() const override;
  std::int64_t latency_steps() const override;
  at::Tensor act(const Observation& observation) override;
  ActTiming last_timing() const override { return timing_; }
  void replace_command(const at::Tensor& sent) override;

  void observe(const Observation& observation) override;
  bool wants_plan() const override;
  PlanRequest plan_request() override;
  void accept(const at::Tensor& chunk) override;
  at::Tensor command() override;

  // One observation: raw until it is encoded. If chunks are computed on the worker thread, only
  // that thread accesses a step once it is queued.
  struct Step {
    Observation raw;
    bool with_images = false;  // false: no plan uses the images, and `features` stays undefined
    bool is_encoded = false;
    EncodedObservation encoded;
  };
  using Steps = std::vector<std::shared_ptr<Step>>;
  // The observations of the next plan_request(). Waits until the worker thread does not access
  // them.
  Steps steps_of_plan();
  // Encodes those that are raw, in batches of VlaAgent::largest_batch().
  static void encode(VlaAgent& agent, const Steps& steps);

 private:
  struct Plan {
    at::Tensor actions;  // VlaAgent::unnormalize() of a chunk
    double milliseconds = 0.0;
  };
  bool computes_in_background() const;
  Observation used_streams(const Observation& observation) const;
  std::shared_ptr<Step> begin_step(const Observation& observation);
  void queue(std::shared_ptr<Step> step);
  void encode_ahead();
  bool has_all_images() const;
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
  std::int64_t step_ = 0;       // step of the next command
  std::int64_t plan_step_ = 0;  // step of the plan in progress
  bool plan_pending_ = false;   // a plan must start as soon as none is in progress
  bool is_requested_ = false;   // plan_request() was called, accept() was not
  Clock::time_point observed_;  // time of the last observation
  Clock::time_point planned_;   // time of the observation of the plan in progress
  // VlaAgent::reference_of() the last observation, and that of the plan in progress.
  at::Tensor reference_, planned_reference_;
  at::Tensor near_;                       // VlaAgent::near_data()
  std::deque<at::Tensor> past_commands_;  // sent in the last first_action() steps, oldest first
  at::Tensor last_command_;               // sent last; undefined before the first command
  ActTiming timing_;
  std::future<Plan> plan_;      // in progress, or finished and not yet received
  std::future<void> encoding_;  // of images for a later plan
  Worker worker_;  // must be last: its destructor waits for a thread that uses the rest
};

}  // namespace roboimi::vla_agent
