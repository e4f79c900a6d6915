#include <ATen/ATen.h>

#include <algorithm>
#include <memory>

#include "components.h"
#include "roboimi/common/error.h"
#include "roboimi/contract/environment.h"
#include "roboimi/contract/scene.h"

namespace roboimi::streams {
namespace {

constexpr std::int64_t kSide = 16;  // pixels
constexpr std::int64_t kSteps = 10;
constexpr std::int64_t kTextBytes = 16;

class ReachEnv : public Environment, public Scene {
 public:
  const ObservationSpec& spec() const override { return spec_; }
  std::int64_t max_steps() const override { return kSteps; }
  Scene* scene() override { return this; }

  Observation reset(std::uint64_t seed, bool render) override {
    goes_left_ = seed % 2 == 0;
    target_ = 0.2 + 0.1 * static_cast<double>(seed % 7);
    position_ = at::zeros({2});
    steps_ = 0;
    return observe(render);
  }
  StepResult step(const at::Tensor& action, bool render) override {
    if (steps_ >= kSteps) throw Error("there is no episode: call reset() first");
    if (action.sizes() != position_.sizes()) {
      throw Error({.what = "the action has the wrong size",
                   .expected = c10::str(position_.sizes()),
                   .found = c10::str(action.sizes())});
    }
    if (!at::isfinite(action).all().item<bool>()) throw Error("the action is not finite");
    position_ = position_ + action.clamp(-0.3, 0.3);
    ++steps_;
    const bool is_there = (position_ - goal()).abs().max().item<double>() < 0.05;
    return {.observation = observe(render),
            .reward = is_there ? 1.0 : 0.0,
            .truncated = steps_ == kSteps,
            .info = {.success = is_there}};
  }
  Observation observe(bool render) override {
    Observation observation = {
        {kState, position_.clone()},
        {"force", at::full({3}, target_, at::kFloat)},
        {"task", text_tensor(goes_left_ ? "go left" : "go right", kTextBytes)}};
    if (!render) return observation;
    observation["front"] = this->render("front", {kSide, kSide});
    // The target is closer than the wall.
    const at::Tensor millimeters = at::full({kSide, kSide}, 2000, at::kInt);
    millimeters.slice(1, column(), column() + 3).fill_(500);
    observation["front_depth"] = millimeters.to(at::kUInt16);
    return observation;
  }

  double max_reward() const override { return 1.0; }
  std::vector<std::string> stage_names() const override { return {"under way"}; }
  std::vector<std::array<double, 3>> end_effector_positions() const override {
    return {{position_[0].item<double>(), position_[1].item<double>(), 0.0}};
  }
  std::vector<std::string> end_effector_names() const override { return {"point"}; }
  at::Tensor render(const std::string& camera, ImageSize size) override {
    if (camera != "front") throw Error("no camera '" + camera + "'");
    const at::Tensor image = at::zeros({size.height, size.width, 3}, at::kByte);
    const std::int64_t first = column() * size.width / kSide;
    image.slice(1, first, first + std::max<std::int64_t>(1, 3 * size.width / kSide)).fill_(200);
    return image;
  }
  std::optional<std::array<double, 2>> project(const std::string&, ImageSize,
                                               const std::array<double, 3>&) const override {
    return std::nullopt;
  }
  std::unique_ptr<Expert> make_expert(double, std::uint64_t) override;

  at::Tensor goal() const {
    return at::tensor(
        {static_cast<float>(goes_left_ ? -target_ : target_), static_cast<float>(target_)});
  }
  const at::Tensor& position() const { return position_; }

 private:
  std::int64_t column() const {
    return static_cast<std::int64_t>((goes_left_ ? 1.0 - target_ : target_) * (kSide - 3));
  }

  ObservationSpec spec_{
      .streams = {rgb_stream("front", {kSide, kSide}),
                  depth_stream("front_depth", {kSide, kSide}, at::kUInt16, "mm"),
                  vector_stream(kState, 2, "m", {"x", "y"}), vector_stream("force", 3, "N"),
                  text_stream("task", kTextBytes)},
      .action_dim = 2,
      .control_hz = 10.0};
  bool goes_left_ = false;
  double target_ = 0.0;
  at::Tensor position_ = at::zeros({2});
  std::int64_t steps_ = kSteps;  // of the episode; kSteps: there is none
};

class ReachExpert : public Expert {
 public:
  explicit ReachExpert(const ReachEnv& env) : env_(env) {}
  at::Tensor act() override { return (env_.goal() - env_.position()).clamp(-0.3, 0.3); }

 private:
  const ReachEnv& env_;
};

std::unique_ptr<Expert> ReachEnv::make_expert(double, std::uint64_t) {
  return std::make_unique<ReachExpert>(*this);
}

}  // namespace

std::shared_ptr<Environment> create_reach_env(const Options&) {
  return std::make_shared<ReachEnv>();
}

}  // namespace roboimi::streams
