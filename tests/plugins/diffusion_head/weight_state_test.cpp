#include "plugins/diffusion_head/weight_state.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/linear.h>
#include <torch/optim/adamw.h>

#include <limits>

namespace roboimi::diffusion_head {
namespace {

using Method = WeightState::Method;

class WeightStateTest : public ::testing::TestWithParam<Method> {
 protected:
  WeightState state() { return {module_->parameters(), GetParam()}; }
  bool is_of(const WeightState& state) { return state.is_of(module_->parameters()); }

  torch::nn::Linear module_{6, 5};
};

TEST_P(WeightStateTest, IsThatOfUnchangedWeights) {
  const WeightState state = this->state();
  EXPECT_TRUE(is_of(state));
  module_->forward(at::ones({2, 6}));
  EXPECT_TRUE(is_of(state));
}

TEST_P(WeightStateTest, ChangesWithAnOptimizerStep) {
  torch::optim::AdamW optimizer(module_->parameters(), torch::optim::AdamWOptions(1e-6));
  const WeightState state = this->state();
  module_->forward(at::ones({2, 6})).square().sum().backward();
  optimizer.step();
  EXPECT_FALSE(is_of(state));
  EXPECT_TRUE(is_of(this->state()));
}

// As a replayed CUDA graph and EmaWeights write, without a new version of the parameter.
TEST_P(WeightStateTest, ChangesWithAWriteThroughOtherTensors) {
  const WeightState state = this->state();
  const at::Tensor weight = module_->weight;
  const auto version = weight._version();
  at::from_blob(weight.data_ptr(), weight.sizes(), at::kFloat).mul_(1.5);
  EXPECT_EQ(weight._version(), version);
  EXPECT_FALSE(is_of(state));
}

TEST_P(WeightStateTest, ChangesWithALoad) {
  const WeightState state = this->state();
  torch::nn::Linear other(6, 5);
  const torch::NoGradGuard no_grad;
  module_->weight.copy_(other->weight);
  EXPECT_FALSE(is_of(state));
}

INSTANTIATE_TEST_SUITE_P(Methods, WeightStateTest,
                         ::testing::Values(Method::kFingerprint, Method::kCopy));

TEST(WeightState, ACopyNoticesTheBitsOfASingleElement) {
  const at::Tensor weights = at::zeros({100});
  const WeightState state({weights}, Method::kCopy);
  weights[37] = -0.0;
  EXPECT_FALSE(state.is_of({weights}));
  weights[37] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(WeightState({weights}, Method::kCopy).is_of({weights}));
}

}  // namespace
}  // namespace roboimi::diffusion_head
