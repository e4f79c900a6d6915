// Comparison with an independent PyTorch implementation (tests/reference/resnet_reference.py).
#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <torch/nn/module.h>
#include <torch/utils.h>

#include "plugins/resnet_backbone/resnet_backbone.h"
#include "roboimi/common/random.h"
#include "roboimi/io/safetensors.h"
#include "tests/reference/run_reference.h"

namespace roboimi::resnet_backbone {
namespace {

class ResNetParity : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new ReferenceFolder("resnet_parity");
    run_reference("resnet_reference.py", folder_->path().string());
  }
  static void TearDownTestSuite() { delete folder_; }
  static TensorFile results() { return read_safetensors(folder_->path() / "results.safetensors"); }

  static inline ReferenceFolder* folder_ = nullptr;
};

TEST_F(ResNetParity, HoldsForTorchvisionsWeightsAtEveryDepth) {
  const std::vector<std::tuple<std::string, std::int64_t, resnet::ResNetNorm>> cases = {
      {"resnet18_batch", 18, resnet::ResNetNorm::kBatch},
      {"resnet18_group", 18, resnet::ResNetNorm::kGroup},
      {"resnet34_group", 34, resnet::ResNetNorm::kGroup},
      {"resnet50_batch", 50, resnet::ResNetNorm::kBatch}};
  const TensorFile expected = results();
  for (const auto& [name, depth, norm] : cases) {
    const ObservationSpec spec{.streams = {rgb_stream("top", {70, 61})}};
    ResNetBackbone backbone({.depth = depth, .norm = norm, .pooling = Pooling::kAverage}, spec);
    backbone.load_weights(
        read_checkpoint_file(folder_->path() / fmt::format("{}_weights.safetensors", name)), name);
    backbone.train(norm == resnet::ResNetNorm::kGroup);  // BatchNorm uses its statistics either way
    at::Generator generator = make_generator(1);
    const at::Tensor image = expected.tensors.at(fmt::format("{}.image", name)).unsqueeze(0);
    const at::Tensor features = backbone.encode({{"top", image}}, generator).squeeze(0);
    const at::Tensor& reference = expected.tensors.at(fmt::format("{}.features", name));
    const double scale = reference.abs().max().item<double>();
    EXPECT_LE((features - reference).abs().max().item<double>(), 2e-5 * scale) << name;
  }
}

TEST_F(ResNetParity, HoldsForTheSpatialSoftmax) {
  const TensorFile expected = results();
  resnet::SpatialSoftmax pool(8, 6);
  torch::NoGradGuard no_grad;
  pool->named_parameters()["nets.weight"].copy_(expected.tensors.at("softmax.weight"));
  pool->named_parameters()["nets.bias"].copy_(expected.tensors.at("softmax.bias"));
  const at::Tensor found = pool->forward(expected.tensors.at("softmax.features"));
  EXPECT_TRUE(found.allclose(expected.tensors.at("softmax.keypoints"), 1e-5, 1e-5));
}

}  // namespace
}  // namespace roboimi::resnet_backbone
