// A backbone and a head whose results show which inputs they come from, and an agent with both.
#pragma once

#include <torch/nn/modules/linear.h>

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "plugins/vla_agent/vla_actor.h"
#include "plugins/vla_agent/vla_agent.h"
#include "roboimi/common/error.h"
#include "roboimi/common/random.h"
#include "roboimi/contract/backbone.h"

namespace roboimi::vla_agent {

inline constexpr std::int64_t kState = 3;
inline constexpr std::int64_t kAction = 2;
inline constexpr std::int64_t kHorizon = 16;

// A gate at which a slow part waits until the test opens it. Initially open.
class Gate {
 public:
  void pass() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return open_; });
  }
  void close() { set(false); }
  void open() { set(true); }

 private:
  void set(bool open) {
    const std::lock_guard lock(mutex_);
    open_ = open;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
};

// Encodes an image as its mean, one feature per camera, and counts its calls.
class MeanBackbone : public Backbone {
 public:
  explicit MeanBackbone(std::vector<std::string> cameras = {"front", "top"})
      : cameras_(std::move(cameras)) {}
  const std::vector<std::string>& camera_names() const override { return cameras_; }
  std::int64_t output_dim() const override { return 1; }
  bool frozen() const override { return true; }
  at::Tensor encode(const Observation& images, at::Generator&) override {
    ++calls;
    gate.pass();
    std::vector<at::Tensor> means;
    for (const at::Tensor& image : ordered_images(images)) {
      means.push_back(image.to(at::kFloat).mean({2, 3, 4}));
    }
    return at::stack(means, 2);
  }
  std::atomic<int> calls = 0;
  Gate gate;

 private:
  std::vector<std::string> cameras_;
};

// A linear head. In its samples, dimension 0 is the index in the chunk and dimension 1 is noise.
class IndexHead : public Head {
 public:
  explicit IndexHead(HeadSpec spec) : spec_(spec) {
    linear_ = register_module(
        "linear", torch::nn::Linear(spec.global_cond_dim(), spec.pred_horizon * spec.action_dim));
  }
  const HeadSpec& spec() const override { return spec_; }
  LossReport loss(const at::Tensor& actions, const Condition& condition, const at::Tensor& is_pad,
                  at::Generator&) override {
    check_loss_arguments(actions, condition, is_pad);
    const at::Tensor& cond = condition.steps;
    last_cond = cond.clone();
    const at::Tensor error = linear_(cond.flatten(1)).view_as(actions) - actions;
    return {.loss = (error.square() * (~is_pad).unsqueeze(2)).mean()};
  }
  at::Tensor sample(const Condition& condition, const BatchGenerator& noise,
                    const at::Tensor& prefix = {}) override {
    check_sample_arguments(condition, prefix);
    const at::Tensor& cond = condition.steps;
    ++calls;
    prefixes.push_back(prefix);
    last_tokens = condition.tokens;
    gate.pass();
    if (fails) throw Error("the head has failed");
    last_cond = cond.clone();
    if (returns) return *returns;
    at::Tensor chunk = at::zeros({cond.size(0), spec_.pred_horizon, spec_.action_dim});
    chunk.select(2, 0).copy_(at::arange(spec_.pred_horizon).to(at::kFloat));
    chunk.select(2, 1).copy_(noise.randn({cond.size(0), spec_.pred_horizon}, cond.options()));
    ++finished;
    return chunk;
  }
  bool continues_prefix() const override { return continues; }
  bool clips_actions() const override { return clips; }
  at::Tensor last_cond, last_tokens;
  bool clips = false;
  bool continues = false;
  std::vector<at::Tensor> prefixes;  // one per call
  std::atomic<bool> fails = false;
  std::optional<at::Tensor> returns;  // returned instead of a chunk
  std::atomic<int> calls = 0, finished = 0;
  Gate gate;

 private:
  HeadSpec spec_;
  torch::nn::Linear linear_{nullptr};
};

// A linear head that also samples linearly, so that it can learn.
class LinearHead : public IndexHead {
 public:
  using IndexHead::IndexHead;
  at::Tensor sample(const Condition& condition, const BatchGenerator&,
                    const at::Tensor& prefix = {}) override {
    prefixes.push_back(prefix);
    const auto weight = named_parameters()["linear.weight"],
               bias = named_parameters()["linear.bias"];
    return at::linear(condition.steps.flatten(1), weight, bias)
        .view({-1, spec().pred_horizon, spec().action_dim});
  }
};

inline ObservationSpec spec() {
  return {.streams = {rgb_stream("top", {4, 4}), rgb_stream("front", {4, 4}),
                      vector_stream("state", kState)},
          .action_dim = kAction,
          .control_hz = 20.0};
}

inline Statistics identity_statistics(std::int64_t dim) {
  return {at::full({dim}, -1.0), at::ones({dim}), at::zeros({dim}), at::ones({dim})};
}

struct Fixture {
  std::shared_ptr<MeanBackbone> backbone = std::make_shared<MeanBackbone>();
  std::shared_ptr<IndexHead> head;
  std::shared_ptr<VlaAgent> agent;
  std::unique_ptr<Actor> actor;

  explicit Fixture(Horizons horizons = {2, kHorizon, 8, Alignment::kFirstObservation},
                   bool with_statistics = true, VlaAgentOptions options = {},
                   const ActorOptions& acting = {}) {
    SeededConstruction guard(1);
    head = std::make_shared<IndexHead>(HeadSpec{kAction, horizons.pred, horizons.obs, 2 + kState});
    options.horizons = horizons;
    agent = std::make_shared<VlaAgent>(options, spec(), backbone, head);
    actor = agent->make_actor(acting);
    if (with_statistics) {
      agent->set_statistics({.state = identity_statistics(kState),
                             .action = identity_statistics(kAction),
                             .features = identity_statistics(2)});
    }
  }
};

inline Observation observation(int step, bool images) {
  Observation o;
  o["state"] = at::full({kState}, static_cast<float>(step));
  if (images) {
    o["front"] = at::full({4, 4, 3}, step, at::kByte);
    o["top"] = at::full({4, 4, 3}, 100 + step, at::kByte);
  }
  return o;
}

}  // namespace roboimi::vla_agent
