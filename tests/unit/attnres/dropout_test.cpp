// Compares the fused pass with dropout with the composed operators, which draw from an equal
// generator, and its derivatives with finite differences for fixed masks.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/autograd.h>

#include <algorithm>

#include "modules/attnres/dropout_masks.h"
#include "modules/attnres/transformer.h"
#include "roboimi/common/random.h"

namespace roboimi::attnres::dropout_test {
namespace {

constexpr std::int64_t kWidth = 24, kBatch = 5, kLength = 7, kHeads = 4;

struct Case {
  double dropout;
  std::int64_t num_kv_heads;
  Output output;
  std::int64_t with_tangent;
};

at::Tensor random(at::IntArrayRef sizes, std::uint64_t seed, at::ScalarType dtype = at::kDouble) {
  at::Generator generator = make_generator(seed);
  return at::randn(sizes, generator, at::TensorOptions(dtype));
}

Transformer random_transformer(const Case& c, at::ScalarType dtype = at::kDouble) {
  Transformer net(TransformerOptions{.width = kWidth,
                                     .num_blocks = 3,
                                     .num_heads = kHeads,
                                     .num_kv_heads = c.num_kv_heads,
                                     .dropout = c.dropout,
                                     .output = c.output});
  net->to(dtype);
  at::NoGradGuard no_grad;
  at::Generator generator = make_generator(9);
  for (at::Tensor& parameter : net->parameters()) parameter.normal_(0.0, 0.3, generator);
  return net;
}

Dual random_input(const Case& c, at::ScalarType dtype = at::kDouble) {
  Dual x{.value = random({kBatch, kLength, kWidth}, 1, dtype).requires_grad_()};
  if (c.with_tangent > 0) x.tangent = random({c.with_tangent, kLength, kWidth}, 2, dtype);
  return x;
}

struct Results {
  at::Tensor value, tangent, loss;
  std::vector<at::Tensor> gradients;  // of x, then of the parameters
  at::Tensor generator_state;
};

template <typename Forward>
Results run(TransformerImpl& net, const Dual& x, Forward forward) {
  at::Generator generator = make_generator(3);
  const Dual y = forward(x, &generator);
  std::vector<at::Tensor> inputs = net.parameters();
  inputs.insert(inputs.begin(), x.value);
  const at::Tensor target = random(y.value.sizes(), 5, y.value.scalar_type());
  const at::Tensor loss = (y.value - target).square().mean();
  return {.value = y.value.detach(),
          .tangent = y.tangent,
          .loss = loss.detach(),
          .gradients = torch::autograd::grad({loss}, inputs),
          .generator_state = generator.get_state()};
}

Results run_fused(TransformerImpl& net, const Dual& x) {
  return run(net, x, [&](const Dual& d, at::Generator* generator) {
    const Dual y = net.forward_dual(d, generator);
    EXPECT_NE(y.value.grad_fn()->name().find("FusedFunction"), std::string::npos);
    return y;
  });
}

Results run_composed(TransformerImpl& net, const Dual& x) {
  return run(net, x, [&](const Dual& d, at::Generator* generator) {
    return d.tangent.defined() ? net.forward_dual_composed(d, generator)
                               : Dual{net.forward_composed(d.value, generator), {}};
  });
}

// Relative to the largest expected number. The first reader's query has no gradient.
double relative_distance(const at::Tensor& found, const at::Tensor& expected) {
  EXPECT_EQ(found.sizes(), expected.sizes());
  const double scale = std::max(expected.abs().max().item<double>(), 1e-2);
  return (found - expected).abs().max().item<double>() / scale;
}

void expect_near(const Results& found, const Results& expected, double forward_tolerance,
                 double gradient_tolerance) {
  EXPECT_TRUE(at::equal(found.generator_state, expected.generator_state));
  EXPECT_LT(relative_distance(found.loss, expected.loss), forward_tolerance);
  EXPECT_LT(relative_distance(found.value, expected.value), forward_tolerance);
  ASSERT_EQ(found.tangent.defined(), expected.tangent.defined());
  if (found.tangent.defined()) {
    EXPECT_FALSE(found.tangent.requires_grad());
    EXPECT_LT(relative_distance(found.tangent, expected.tangent), forward_tolerance);
  }
  for (std::size_t i = 0; i < expected.gradients.size(); ++i) {
    EXPECT_LT(relative_distance(found.gradients[i], expected.gradients[i]), gradient_tolerance)
        << "gradient " << i;
  }
}

class FusedDropout : public testing::TestWithParam<Case> {};

TEST_P(FusedDropout, EqualsTheComposedOperatorsWithTheSameDraws) {
  Transformer net = random_transformer(GetParam());
  const Dual x = random_input(GetParam());
  expect_near(run_fused(*net, x), run_composed(*net, x), 1e-12, 1e-12);
}

TEST_P(FusedDropout, EqualsTheComposedOperatorsInSinglePrecision) {
  Transformer net = random_transformer(GetParam(), at::kFloat);
  const Dual x = random_input(GetParam(), at::kFloat);
  expect_near(run_fused(*net, x), run_composed(*net, x), 1e-5, 1e-4);
}

TEST_P(FusedDropout, GivesTheDerivativesOfTheLossForFixedMasks) {
  Transformer net = random_transformer(GetParam());
  const Dual x = random_input(GetParam());
  const Results found = run_fused(*net, x);
  // Move the input and all parameters along a random direction, and back.
  std::vector<at::Tensor> inputs = net->parameters();
  inputs.insert(inputs.begin(), x.value);
  double slope = 0.0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    slope += (found.gradients[i] * random(inputs[i].sizes(), 20 + i)).sum().item<double>();
  }
  constexpr double kStep = 1e-6;
  const auto move = [&](double step) {
    at::NoGradGuard no_grad;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      inputs[i].add_(random(inputs[i].sizes(), 20 + i), step);
    }
  };
  move(kStep);
  const double after = run_fused(*net, x).loss.item<double>();
  move(-2 * kStep);
  const double before = run_fused(*net, x).loss.item<double>();
  EXPECT_NEAR((after - before) / (2 * kStep), slope, 1e-6 * std::max(1.0, std::abs(slope)));
}

TEST_P(FusedDropout, GivesTheTangentsOfTheValuesForFixedMasks) {
  const Case& c = GetParam();
  if (c.with_tangent == 0) return;
  Transformer net = random_transformer(c);
  const at::NoGradGuard no_grad;
  const Dual x = random_input(c);
  const auto forward = [&](const Dual& d) {
    at::Generator generator = make_generator(3);
    return net->forward_dual(d, &generator);
  };
  constexpr double kStep = 1e-6;
  const auto last = [&](const at::Tensor& all) {
    return all.narrow(0, kBatch - c.with_tangent, c.with_tangent);
  };
  const auto value_after = [&](double step) {
    const at::Tensor moved = x.value.clone();
    last(moved).add_(x.tangent, step);
    return last(forward({moved, x.tangent}).value);
  };
  const at::Tensor slope = (value_after(kStep) - value_after(-kStep)) / (2 * kStep);
  EXPECT_LT(relative_distance(forward(x).tangent, slope), 1e-6);
}

TEST_P(FusedDropout, GivesTheSameValuesWithoutGradients) {
  Transformer net = random_transformer(GetParam());
  const Dual x = random_input(GetParam());
  const Results with = run_fused(*net, x);
  const at::NoGradGuard no_grad;
  at::Generator generator = make_generator(3);
  EXPECT_TRUE(at::equal(net->forward_dual(x, &generator).value, with.value));
}

INSTANTIATE_TEST_SUITE_P(Shapes, FusedDropout,
                         testing::Values(Case{0.05, 4, Output::kSum, 2},
                                         Case{0.5, 4, Output::kSum, 0},
                                         Case{0.5, 2, Output::kSum, kBatch},
                                         Case{0.5, 1, Output::kDepthAttention, 3},
                                         Case{0.05, 2, Output::kDepthAttention, kBatch}));

TEST(DropoutMasks, KeepTheMeanAndScaleWhatTheyKeep) {
  at::Generator generator = make_generator(1);
  const at::Tensor value = at::zeros({64, 7, 24});
  for (const bool half : {false, true}) {
    const DropoutMasks masks = draw_masks({value, {}}, 4, 2, 0.25, half, generator);
    ASSERT_EQ(masks.layers.size(), 2U);
    EXPECT_FALSE(masks.layers[1].attention.defined()) << "SwiGLU has no attention";
    EXPECT_EQ(masks.layers[0].attention.sizes(), (at::IntArrayRef{64, 4, 7, 7}));
    for (const at::Tensor& mask : {masks.layers[0].attention, masks.layers[1].output}) {
      EXPECT_EQ(mask.scalar_type(), at::kFloat);
      const at::Tensor kept = mask == static_cast<float>(1.0 / 0.75);
      EXPECT_TRUE(at::equal(kept, mask != 0));
      EXPECT_NEAR(kept.to(at::kFloat).mean().item<double>(), 0.75, 0.02);
    }
  }
}

TEST(DropoutMasks, AreNotDrawnWithoutDropout) {
  const Case none{0.0, 4, Output::kSum, 2};
  Transformer net = random_transformer(none);
  const Dual x = random_input(none);
  at::Generator generator = make_generator(3);
  const at::Tensor state = generator.get_state();
  const at::Tensor value = net->forward_dual(x, &generator).value;
  EXPECT_TRUE(at::equal(generator.get_state(), state));
  EXPECT_TRUE(at::equal(value, net->forward_dual(x).value));
}

}  // namespace
}  // namespace roboimi::attnres::dropout_test
