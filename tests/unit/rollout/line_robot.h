// A robot without a scene, and a simulator of it.
#pragma once

#include <ATen/ATen.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "roboimi/common/error.h"
#include "roboimi/contract/environment.h"
#include "roboimi/contract/scene.h"

namespace roboimi {

// A point on a line that moves by the action. Reaching 5 is a success. Every episode starts a
// quarter further than the last one, regardless of the seed.
class LineRobot : public Environment {
 public:
  LineRobot() {
    spec_ = {.streams = {rgb_stream("front", {8, 8}), vector_stream(kState, 1)},
             .action_dim = 1,
             .control_hz = 10.0};
  }
  const ObservationSpec& spec() const override { return spec_; }
  std::int64_t max_steps() const override { return 12; }
  Observation reset(std::uint64_t seed, bool render) override {
    ++num_resets;
    position_ = start(seed);
    steps_ = 0;
    reached_ = false;
    return observe(render);
  }
  Observation observe(bool render) override {
    frames_drawn += render ? 1 : 0;
    Observation o;
    o["state"] = at::full({1}, position_);
    if (render) o["front"] = at::full({8, 8, 3}, 7, at::kByte);
    return o;
  }
  StepResult step(const at::Tensor& action, bool render) override {
    if (num_resets == 0 || steps_ == max_steps()) throw Error("no episode: call reset()");
    if (action.numel() != 1) throw Error("the action has the wrong size");
    if (!action.isfinite().all().item<bool>()) throw Error("the action is not finite");
    position_ += action[0].item<double>();
    reached_ = reached_ || position_ >= 5.0;
    ++steps_;
    return {.observation = observe(render),
            .reward = reached_ ? 4.0 : 1.0,
            .terminated = false,
            .truncated = steps_ == max_steps(),
            .info = {.success = reached_, .stage = reached_ ? 1 : 0}};
  }

  void set_control_hz(double hz) { spec_.control_hz = hz; }

  int frames_drawn = 0;
  int num_resets = 0;

 protected:
  virtual double start(std::uint64_t) { return 0.25 * num_resets; }
  double position() const { return position_; }

 private:
  ObservationSpec spec_;
  double position_ = 0.0;
  std::int64_t steps_ = 0;
  bool reached_ = false;
};

// The same with a scene. Starts at the parity of the seed.
class LineEnvironment : public LineRobot, public Scene {
 public:
  Scene* scene() override { return this; }
  double max_reward() const override { return 4.0; }
  std::vector<std::string> stage_names() const override { return {"none", "there"}; }
  std::vector<std::array<double, 3>> end_effector_positions() const override {
    return {{position(), 0.0, 0.0}};
  }
  std::vector<std::string> end_effector_names() const override { return {"point"}; }
  at::Tensor render(const std::string&, ImageSize size) override {
    return at::full({size.height, size.width, 3}, 128, at::kByte);
  }
  std::optional<std::array<double, 2>> project(const std::string&, ImageSize,
                                               const std::array<double, 3>& p) const override {
    return std::array<double, 2>{100 + 10 * p[0], 50.0};
  }

 protected:
  double start(std::uint64_t seed) override { return static_cast<double>(seed % 2); }
};

}  // namespace roboimi
