#include <ATen/ATen.h>
#include <torch/nn/modules/linear.h>

#include <string>
#include <vector>

#include "components.h"
#include "roboimi/common/error.h"
#include "roboimi/contract/backbone.h"

namespace roboimi::streams {
namespace {

constexpr std::int64_t kFeatures = 8;

// Averages images [N, C, H, W] over a grid of 4 x 4 cells: [N, 16 C].
at::Tensor cells_of(const at::Tensor& images) {
  return at::adaptive_avg_pool2d(images, {4, 4}).flatten(1);
}

class DepthBackbone : public Backbone {
 public:
  explicit DepthBackbone(const ObservationSpec& spec) : stream_(spec.at("front_depth")) {
    if (stream_.kind != StreamKind::kDepth) throw Error("front_depth is not a depth stream");
    linear_ = register_module("linear", torch::nn::Linear(16, kFeatures));
  }
  const std::vector<std::string>& camera_names() const override { return cameras_; }
  std::int64_t output_dim() const override { return kFeatures; }
  bool frozen() const override { return false; }

  at::Tensor encode(const Observation& observations, at::Generator&) override {
    const at::Tensor& depth = observations.at("front_depth");  // [B, T, H, W]
    if (depth.dim() != 4 || depth.scalar_type() != stream_.dtype) {
      throw Error({.what = "front_depth does not fit",
                   .expected = c10::str(stream_.dtype, " [B, T, H, W]"),
                   .found = c10::str(depth.scalar_type(), " ", depth.sizes())});
    }
    const at::Tensor meters = depth_in_meters(depth, stream_).flatten(0, 1).unsqueeze(1);
    return linear_(cells_of(meters))
        .view({depth.size(0), depth.size(1), kFeatures})
        .to(at::kFloat);  // from bfloat16 under autocast
  }

 private:
  StreamSpec stream_;
  std::vector<std::string> cameras_ = {"front_depth"};
  torch::nn::Linear linear_{nullptr};
};

class ProprioBackbone : public Backbone {
 public:
  explicit ProprioBackbone(const ObservationSpec& spec) : state_dim_(spec.state_dim()) {
    check_camera_names(cameras_, spec, "proprio_backbone");
    linear_ = register_module("linear", torch::nn::Linear(48 + state_dim_, kFeatures));
  }
  const std::vector<std::string>& camera_names() const override { return cameras_; }
  std::vector<std::string> stream_names() const override { return {"front", kState}; }
  std::int64_t output_dim() const override { return kFeatures; }
  bool frozen() const override { return false; }

  at::Tensor encode(const Observation& observations, at::Generator&) override {
    const at::Tensor frames = ordered_images(observations).front();
    const at::Tensor pixels = frames.flatten(0, 1).permute({0, 3, 1, 2}).to(at::kFloat) / 255.0;
    const at::Tensor& state = observations.at(kState);  // [B, T, S]
    if (state.sizes() != at::IntArrayRef({frames.size(0), frames.size(1), state_dim_}) ||
        state.scalar_type() != at::kFloat) {
      throw Error({.what = "state does not fit",
                   .expected = c10::str("Float [B, T, ", state_dim_, "]"),
                   .found = c10::str(state.scalar_type(), " ", state.sizes())});
    }
    return linear_(at::cat({cells_of(pixels), state.flatten(0, 1)}, 1))
        .view({frames.size(0), frames.size(1), kFeatures})
        .to(at::kFloat);  // from bfloat16 under autocast
  }

 private:
  std::int64_t state_dim_;
  std::vector<std::string> cameras_ = {"front"};
  torch::nn::Linear linear_{nullptr};
};

}  // namespace

std::shared_ptr<Backbone> create_depth_backbone(const Options&, const ObservationSpec& spec) {
  return std::make_shared<DepthBackbone>(spec);
}

std::shared_ptr<Backbone> create_proprio_backbone(const Options&, const ObservationSpec& spec) {
  return std::make_shared<ProprioBackbone>(spec);
}

}  // namespace roboimi::streams
