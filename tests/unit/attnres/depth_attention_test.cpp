#include "modules/attnres/depth_attention.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/autograd.h>

#include "roboimi/common/random.h"
#include "roboimi/contract/autocast.h"

namespace roboimi::attnres {
namespace {

std::vector<at::Tensor> some_sources(at::ScalarType type) {
  at::Generator generator = make_generator(1);
  return at::randn({5, 2, 3, 8}, generator, at::TensorOptions(at::kDouble)).to(type).unbind(0);
}

at::Tensor some_weights() {
  at::Generator generator = make_generator(2);
  return at::randn({2, 3, 5}, generator, at::TensorOptions(at::kDouble)).softmax(-1);
}

double distance(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

// A GPU takes the second form.
TEST(DepthAttention, SumsStackedSourcesAsItDoesOneByOne) {
  std::vector<at::Tensor> sources = some_sources(at::kDouble);
  at::Tensor weights = some_weights().requires_grad_();
  for (at::Tensor& source : sources) source.requires_grad_();
  const auto gradients = [&](const at::Tensor& sum) {
    std::vector<at::Tensor> inputs = sources;
    inputs.push_back(weights);
    return torch::autograd::grad({sum.square().sum()}, inputs);
  };
  const at::Tensor expected = DepthAttention::sum_one_by_one(sources, weights);
  const at::Tensor found = DepthAttention::sum_stacked(sources, weights);
  EXPECT_LT(distance(found, expected), 1e-14);
  const auto expected_gradients = gradients(expected), found_gradients = gradients(found);
  for (std::size_t i = 0; i < expected_gradients.size(); ++i) {
    EXPECT_LT(distance(found_gradients[i], expected_gradients[i]), 1e-13) << i;
  }
}

TEST(DepthAttention, KeepsTheSumInFloatUnderMixedPrecision) {
  const std::vector<at::Tensor> sources = some_sources(at::kBFloat16);
  const at::Tensor weights = some_weights().to(at::kFloat);
  const Autocast mixed(c10::kCPU, true);
  const at::Tensor expected = DepthAttention::sum_one_by_one(sources, weights);
  const at::Tensor found = DepthAttention::sum_stacked(sources, weights);
  EXPECT_EQ(found.scalar_type(), expected.scalar_type());
  EXPECT_LT(distance(found, expected), 1e-6);
}

}  // namespace
}  // namespace roboimi::attnres
