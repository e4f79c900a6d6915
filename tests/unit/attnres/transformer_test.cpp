// Compares the fused pass and its gradients with the same function written in ATen operators and
// differentiated by libtorch.
#include "modules/attnres/transformer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/autograd.h>

#include "modules/attnres/gemm.h"
#include "modules/attnres/joined_rows.h"
#include "roboimi/common/random.h"
#include "tests/bfloat16.h"

namespace roboimi::attnres {
namespace {

constexpr double kTolerance = 1e-11;

Transformer random_transformer(TransformerOptions options, at::ScalarType dtype = at::kDouble) {
  options.width = 24;
  options.num_blocks = 3;
  options.num_heads = 4;
  Transformer net(options);
  net->to(dtype);
  at::NoGradGuard no_grad;
  at::Generator generator = make_generator(9);
  for (at::Tensor& parameter : net->parameters()) parameter.normal_(0.0, 0.3, generator);
  return net;
}

std::vector<TransformerOptions> fused_kinds() {
  return {{.num_kv_heads = 4},
          {.num_kv_heads = 2},
          {.num_kv_heads = 1, .output = Output::kDepthAttention}};
}

at::Tensor random(at::IntArrayRef sizes, std::uint64_t seed, at::ScalarType dtype = at::kDouble) {
  at::Generator generator = make_generator(seed);
  return at::randn(sizes, generator, at::TensorOptions(dtype));
}

double distance(const at::Tensor& a, const at::Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  return (a - b).abs().max().item<double>();
}

// The gradients of sum(output * weights), the input's first.
std::vector<at::Tensor> gradients(TransformerImpl& net, const at::Tensor& x, const at::Tensor& y) {
  std::vector<at::Tensor> inputs = net.parameters();
  inputs.insert(inputs.begin(), x);
  return torch::autograd::grad({(y * random(y.sizes(), 5)).sum()}, inputs);
}

TEST(Transformer, FusedValuesAndGradientsEqualTheComposedOnes) {
  for (const TransformerOptions& options : fused_kinds()) {
    Transformer net = random_transformer(options);
    const at::Tensor x = random({5, 7, 24}, 1).requires_grad_();
    const at::Tensor fused = net->forward(x), composed = net->forward_composed(x);
    EXPECT_NE(fused.grad_fn()->name(), composed.grad_fn()->name());
    EXPECT_LT(distance(fused, composed), kTolerance);
    const auto expected = gradients(*net, x, composed), found = gradients(*net, x, fused);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_LT(distance(found[i], expected[i]), kTolerance) << "parameter " << i;
    }
  }
}

TEST(Transformer, FusedTangentsEqualForwardModeDifferentiation) {
  for (const TransformerOptions& options : fused_kinds()) {
    Transformer net = random_transformer(options);
    for (const std::int64_t with_tangent : {2, 5}) {
      const at::Tensor x = random({5, 7, 24}, 1).requires_grad_();
      const at::Tensor direction = random({with_tangent, 7, 24}, 2);
      const Dual fused = net->forward_dual({x, direction});
      const Dual composed = net->forward_dual_composed({x, direction});
      EXPECT_LT(distance(fused.value, composed.value), kTolerance);
      EXPECT_LT(distance(fused.tangent, composed.tangent), kTolerance);
      EXPECT_FALSE(fused.tangent.requires_grad());
      const auto expected = gradients(*net, x, composed.value);
      const auto found = gradients(*net, x, fused.value);
      for (std::size_t i = 0; i < expected.size(); ++i) {
        EXPECT_LT(distance(found[i], expected[i]), kTolerance) << "parameter " << i;
      }
    }
  }
}

TEST(Transformer, InfersInBfloat16Nearby) {
  ROBOIMI_SKIP_WITHOUT_BFLOAT16();
  TransformerOptions options{.num_kv_heads = 2};
  Transformer net = random_transformer(options, at::kFloat);
  options.infers_in_bfloat16 = true;
  Transformer half = random_transformer(options, at::kFloat);
  const at::Tensor x = random({1, 20, 24}, 1, at::kFloat);
  at::NoGradGuard no_grad;
  const at::Tensor exact = net->infer(x), near = half->infer(x);
  const double error = (near - exact).abs().max().item<double>() / exact.abs().max().item<double>();
  EXPECT_LT(error, 2e-2);
  EXPECT_GT(error, 1e-6) << "not in bfloat16 at all";
  EXPECT_LT(distance(half->forward(x), exact), 1e-4) << "training keeps its precision";
}

TEST(Transformer, InferenceEqualsTheForwardPassAndFollowsChangedWeights) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    Transformer net = random_transformer({.num_kv_heads = 2}, dtype);
    const at::Tensor x = random({1, 20, 24}, 1, dtype);
    at::NoGradGuard no_grad;
    EXPECT_LT(distance(net->infer(x), net->forward_composed(x)), 1e-4);
    for (at::Tensor& parameter : net->parameters()) {
      // Modifies parameters without autograd noticing, as an optimizer on flat buffers does.
      parameter.variable_data().mul_(1.01);
    }
    EXPECT_LT(distance(net->infer(x), net->forward_composed(x)), 1e-4);
    EXPECT_LT(distance(net->infer(x.narrow(1, 0, 6)), net->forward_composed(x.narrow(1, 0, 6))),
              1e-4);
  }
}

TEST(Transformer, BlocksSumTheOutputsOfTheirSublayers) {
  // One block over all sublayers: the last sublayer reads the tokens and the sum of all before it,
  // and with queries of zero that is their average.
  Transformer net = random_transformer({.num_kv_heads = 4, .sublayers_per_source = 6});
  Transformer plain = random_transformer({.num_kv_heads = 4, .residual = Residual::kPlain});
  at::NoGradGuard no_grad;
  auto sources = net->named_parameters();
  for (auto& parameter : plain->named_parameters()) {
    parameter.value().copy_(sources[parameter.key()]);
  }
  for (auto& parameter : sources) {
    if (parameter.key().ends_with("pseudo_query")) parameter.value().zero_();
  }
  // RMSNorm removes the factor 1/2 between average and sum, except for its epsilon.
  const at::Tensor x = 10 * random({2, 5, 24}, 1);
  EXPECT_LT(distance(net->forward(x), plain->forward(x)), 1e-4);
}

TEST(Transformer, NewQueriesAverageTheDepth) {
  DepthAttention depth(at::zeros({1, 3}, at::kDouble));
  const at::Tensor sources = random({4, 1, 2, 3}, 8);
  for (const at::Tensor& source : sources.unbind(0)) depth.push(source);
  EXPECT_LT(distance(depth.read(0), sources.mean(0)), kTolerance);
}

TEST(JoinedRows, NeighborsAreJoinedWithoutACopy) {
  const at::Tensor flat = random({60}, 1);
  const auto part = [&](std::int64_t begin, std::int64_t rows) {
    return flat.narrow(0, begin, rows * 6).view({rows, 6}).detach().requires_grad_();
  };
  const std::vector<at::Tensor> neighbors = {part(6, 2), part(18, 3)},
                                apart = {part(0, 2), part(18, 3)};
  const at::Tensor joined = joined_rows(neighbors), copied = joined_rows(apart);
  EXPECT_TRUE(joined.is_alias_of(flat));
  EXPECT_FALSE(copied.is_alias_of(flat));
  EXPECT_TRUE(at::equal(joined, at::cat(neighbors)));
  EXPECT_TRUE(at::equal(copied, at::cat(apart)));
  const at::Tensor weights = random({5, 6}, 2);
  const auto gradients = [&](const at::Tensor& y) {
    return torch::autograd::grad({(y * weights).sum()}, neighbors);
  };
  const auto found = gradients(joined), expected = gradients(at::cat(neighbors));
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_TRUE(at::equal(found[i], expected[i]));
  at::NoGradGuard no_grad;
  EXPECT_TRUE(joined_rows(neighbors).is_alias_of(flat));
}

TEST(ProductOf, EqualsTheMatrixProductForStridedArguments) {
  const at::Tensor x = random({40, 24}, 1, at::kFloat), w = random({16, 24}, 2, at::kFloat);
  const at::Tensor grad = random({40, 16}, 3, at::kFloat);
  EXPECT_LT(distance(product_of(x, w), at::mm(x, w.t())), 1e-5);
  EXPECT_LT(distance(product_of(grad, w.t()), at::mm(grad, w)), 1e-5);
  EXPECT_LT(distance(product_of(grad.t(), x.t()), at::mm(grad.t(), x)), 1e-4);
  EXPECT_LT(distance(product_of(x, prepack(w, 40, false)), at::mm(x, w.t())), 1e-5);
}

TEST(ProductOf, RoundsToBfloat16WherePrepackedSo) {
  ROBOIMI_SKIP_WITHOUT_BFLOAT16();
  const at::Tensor x = random({40, 24}, 1, at::kFloat), w = random({16, 24}, 2, at::kFloat);
  const at::Tensor half = product_of(x, prepack(w, 40, true));
  EXPECT_EQ(half.scalar_type(), at::kFloat);
  const at::Tensor rounded =
      at::mm(x.to(at::kBFloat16).to(at::kFloat), w.to(at::kBFloat16).to(at::kFloat).t());
  EXPECT_LT(((half - rounded).abs() / rounded.abs().max()).max().item<double>(), 1e-2);
}

}  // namespace
}  // namespace roboimi::attnres
