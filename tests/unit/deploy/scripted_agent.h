// A test agent that returns commands from a script.
#pragma once

#include <functional>
#include <memory>

#include "roboimi/checkpoint/loaded_run.h"
#include "roboimi/common/error.h"
#include "roboimi/contract/backbone.h"
#include "roboimi/deploy/policy.h"
#include "tests/acting_agent.h"

namespace roboimi::testing {

// A backbone that only lists a camera, so that the policy needs images. It encodes nothing.
class CameraList final : public Backbone {
 public:
  const std::vector<std::string>& camera_names() const override { return cameras_; }
  std::int64_t output_dim() const override { return 1; }
  bool frozen() const override { return true; }
  at::Tensor encode(const Observation&, at::Generator&) override { return at::zeros({1, 1, 1}); }

 private:
  std::vector<std::string> cameras_ = {"front"};
};

class ScriptedAgent final : public ActingAgent {
 public:
  // Called by act(): returns the command of the step-th step after reset().
  using Script = std::function<at::Tensor(int step, ActTiming& timing)>;

  ScriptedAgent(ObservationSpec spec, Script script)
      : ActingAgent(std::move(spec)), script_(std::move(script)) {
    if (!spec_.camera_names().empty()) backbone_ = std::make_shared<CameraList>();
  }
  Backbone* backbone() const override { return backbone_.get(); }
  void reset(std::uint64_t) override { step_ = 0; }
  bool needs_images() const override { return backbone_ != nullptr && step_ % 2 == 0; }
  at::Tensor act(const Observation&) override {
    timing_ = {};
    return script_(step_++, timing_);
  }
  ActTiming last_timing() const override { return timing_; }
  std::unique_ptr<Actor> make_actor(const ActorOptions& options) override {
    if (!can_act) return nullptr;
    deadline = options.deadline;
    return ActingAgent::make_actor(keeps_deadlines ? ActorOptions() : options);
  }

  bool can_act = true, keeps_deadlines = true;
  std::optional<std::chrono::nanoseconds> deadline;

 private:
  Script script_;
  std::shared_ptr<Backbone> backbone_;
  ActTiming timing_;
  int step_ = 0;
};

}  // namespace roboimi::testing
