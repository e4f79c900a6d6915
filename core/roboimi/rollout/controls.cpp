#include "roboimi/rollout/controls.h"

#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "roboimi/common/error.h"

namespace roboimi {
namespace {

// Forwards every call. A control overrides what it changes.
class ControlledEnvironment : public Environment {
 public:
  explicit ControlledEnvironment(std::shared_ptr<Environment> inner) : inner_(std::move(inner)) {}

  const ObservationSpec& spec() const override { return inner_->spec(); }
  std::int64_t max_steps() const override { return inner_->max_steps(); }
  Observation reset(std::uint64_t seed, bool render) override {
    return shown(inner_->reset(seed, render));
  }
  StepResult step(const at::Tensor& action, bool render) override {
    StepResult result = inner_->step(action, render);
    result.observation = shown(std::move(result.observation));
    return result;
  }
  Observation observe(bool render) override { return shown(inner_->observe(render)); }
  Scene* scene() override { return inner_->scene(); }

 protected:
  virtual Observation shown(Observation observation) { return observation; }

  std::shared_ptr<Environment> inner_;
};

class HoldPose : public ControlledEnvironment {
 public:
  explicit HoldPose(std::shared_ptr<Environment> inner) : ControlledEnvironment(std::move(inner)) {
    if (spec().state_dim() == spec().action_dim) return;
    throw Error({.what = "the actions are not states, so there is no pose to hold",
                 .where = "control hold_pose",
                 .expected = "actions and states of the same size",
                 .found = fmt::format("{} and {}", spec().action_dim, spec().state_dim())});
  }
  Observation reset(std::uint64_t seed, bool render) override {
    Observation observation = ControlledEnvironment::reset(seed, render);
    pose_ = observation.state().clone();
    return observation;
  }
  StepResult step(const at::Tensor&, bool render) override {
    return ControlledEnvironment::step(pose_, render);
  }

 private:
  at::Tensor pose_;
};

class BlackImages : public ControlledEnvironment {
 public:
  using ControlledEnvironment::ControlledEnvironment;

 private:
  Observation shown(Observation observation) override {
    for (const StreamSpec& stream : spec().streams) {
      const auto image = observation.find(stream.name);
      if (!stream.is_image() || image == observation.end()) continue;
      image->second = at::zeros_like(image->second);
    }
    return observation;
  }
};

class OtherEpisode : public ControlledEnvironment {
 public:
  OtherEpisode(std::shared_ptr<Environment> inner, std::shared_ptr<Environment> other)
      : ControlledEnvironment(std::move(inner)), other_(std::move(other)) {}
  Observation reset(std::uint64_t seed, bool render) override {
    other_->reset(seed + 1, false);
    other_has_ended_ = false;
    return ControlledEnvironment::reset(seed, render);
  }
  StepResult step(const at::Tensor& action, bool render) override {
    // If the other episode ends first, its last images stay.
    if (!other_has_ended_) {
      const StepResult result = other_->step(action, false);
      other_has_ended_ = result.terminated || result.truncated;
    }
    return ControlledEnvironment::step(action, render);
  }

 private:
  Observation shown(Observation observation) override {
    Observation other;
    for (const StreamSpec& stream : spec().streams) {
      const auto image = observation.find(stream.name);
      if (!stream.is_image() || image == observation.end()) continue;
      if (other.empty()) other = other_->observe(true);
      image->second = other.at(stream.name);
    }
    return observation;
  }

  std::shared_ptr<Environment> other_;
  bool other_has_ended_ = false;
};

// Only for simulators: a second environment of a robot would be a second connection to the same
// robot, which would then receive every action twice.
std::shared_ptr<Environment> other_episode(
    const std::function<std::shared_ptr<Environment>()>& make) {
  std::shared_ptr<Environment> inner = make();
  if (inner->scene() == nullptr) {
    throw Error({.what = "images of another episode need a second environment",
                 .where = "control shuffled",
                 .expected = "a simulator, that is, an environment with a scene",
                 .found = "an environment without a scene, such as a robot",
                 .next = "use the control black or hold_pose"});
  }
  return std::make_shared<OtherEpisode>(std::move(inner), make());
}

}  // namespace

const std::vector<std::string>& control_names() {
  static const std::vector<std::string> kNames = {"none", "hold_pose", "black", "shuffled"};
  return kNames;
}

Control control_from(const std::string& name) {
  const auto found = std::find(control_names().begin(), control_names().end(), name);
  if (found != control_names().end()) {
    return static_cast<Control>(found - control_names().begin());
  }
  throw Error({.what = "unknown control '" + name + "'",
               .where = "--control",
               .expected = fmt::format("{}", fmt::join(control_names(), ", "))});
}

std::shared_ptr<Environment> controlled(Control control,
                                        const std::function<std::shared_ptr<Environment>()>& make) {
  switch (control) {
    case Control::kHoldPose:
      return std::make_shared<HoldPose>(make());
    case Control::kBlack:
      return std::make_shared<BlackImages>(make());
    case Control::kShuffled:
      return other_episode(make);
    case Control::kNone:
      break;
  }
  return make();
}

}  // namespace roboimi
