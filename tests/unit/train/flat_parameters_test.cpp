#include "roboimi/train/flat_parameters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/linear.h>

#include "roboimi/common/error.h"
#include "tests/error_text.h"
#include "tests/unit/train/tiny_agent.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;

FlatParameters flatten(Agent& agent) {
  return FlatParameters(agent, [&](const std::string& name, const at::Tensor& parameter) {
    return agent.decays(name, parameter);
  });
}

TEST(FlatParameters, GroupByDecayAndOmitFrozenParameters) {
  const auto agent = testing::make_tiny_agent();
  const at::Tensor before = agent->named_parameters()["first.weight"].detach().clone();
  const void* frozen = agent->named_parameters()["frozen.weight"].const_data_ptr();
  const FlatParameters flat = flatten(*agent);
  ASSERT_EQ(flat.groups().size(), 2U);
  std::vector<std::string> with_decay, without_decay;
  for (const FlatView& view : flat.groups()[0].views) with_decay.push_back(view.name);
  for (const FlatView& view : flat.groups()[1].views) without_decay.push_back(view.name);
  EXPECT_THAT(with_decay, ::testing::ElementsAre("first.weight", "second.weight"));
  EXPECT_THAT(without_decay,
              ::testing::ElementsAre("first.bias", "norm.weight", "norm.bias", "second.bias"));
  EXPECT_EQ(flat.num_parameters(), 3 * 8 + 8 + 8 + 8 + 8 * 8 + 8);
  EXPECT_TRUE(at::equal(agent->named_parameters()["first.weight"], before));
  EXPECT_EQ(agent->named_parameters()["frozen.weight"].const_data_ptr(), frozen);
}

TEST(FlatParameters, AlignEveryViewToACacheLine) {
  const auto agent = testing::make_tiny_agent();
  const FlatParameters flat = flatten(*agent);
  for (const FlatGroup& group : flat.groups()) {
    for (const FlatView& view : group.views) {
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(view.parameter.const_data_ptr()) % 64, 0U);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(view.parameter.grad().const_data_ptr()) % 64, 0U);
    }
  }
}

TEST(FlatParameters, AccumulateTheSameGradientsAsThePlainModule) {
  const auto plain = testing::make_tiny_agent();
  const auto flattened = testing::make_tiny_agent();
  FlatParameters flat = flatten(*flattened);
  for (int repetition = 0; repetition < 2; ++repetition) {
    for (const auto& agent : {plain, flattened}) {
      at::Generator generator = make_generator(3);
      agent->loss(testing::tiny_batch(0, repetition), generator).loss.backward();
    }
  }
  flat.check_views();
  for (const auto& item : plain->named_parameters()) {
    if (!item.value().requires_grad()) continue;
    EXPECT_TRUE(at::allclose(flattened->named_parameters()[item.key()].grad(), item.value().grad(),
                             1e-6, 1e-7))
        << item.key();
  }
  flat.zero_gradients();
  EXPECT_EQ(flattened->named_parameters()["first.weight"].grad().abs().sum().item<float>(), 0.0F);
  flat.check_views();
}

TEST(FlatParameters, DetectAModulesOwnZeroGrad) {
  const auto agent = testing::make_tiny_agent();
  const FlatParameters flat = flatten(*agent);
  agent->zero_grad();
  EXPECT_THAT(error_text([&] { flat.check_views(); }),
              HasSubstr("first.weight: the gradient left the trainer's buffer and would have no "
                        "effect; do not call zero_grad()"));
}

TEST(FlatParameters, DetectAReplacedParameter) {
  const auto agent = testing::make_tiny_agent();
  const FlatParameters flat = flatten(*agent);
  agent->to(at::kDouble);
  EXPECT_THAT(error_text([&] { flat.check_views(); }),
              HasSubstr("first.weight: the parameter left the trainer's buffer"));
}

TEST(FlatParameters, RejectAModuleWithNothingToTrain) {
  torch::nn::Linear frozen(2, 2);
  for (at::Tensor& parameter : frozen->parameters()) parameter.set_requires_grad(false);
  try {
    FlatParameters flat(*frozen, [](const std::string&, const at::Tensor&) { return true; });
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("nothing to train"));
  }
}

TEST(FlatParameters, CountATiedParameterOnce) {
  struct Tied : torch::nn::Module {
    Tied() {
      first = register_module("first", torch::nn::Linear(4, 4));
      second = register_module("second", first.ptr());
    }
    torch::nn::Linear first{nullptr};
    std::shared_ptr<torch::nn::Module> second;
  } module;
  const FlatParameters flat(module, [](const std::string&, const at::Tensor&) { return true; });
  EXPECT_EQ(flat.num_parameters(), 4 * 4 + 4);
}

}  // namespace
}  // namespace roboimi
