// Comparison with tests/golden/imf_head.py, a direct implementation in float64.
#include "tests/plugins/imf_head/golden.h"

#include <gtest/gtest.h>

#include "modules/attnres/depth_attention.h"
#include "modules/attnres/layers.h"
#include "modules/attnres/rope.h"

namespace roboimi::imf_head {
namespace {

constexpr double kTolerance = 1e-11;

struct Network {
  std::string name;
  ImfOptions options;
};

std::vector<Network> networks() {
  return {{"base", {}},
          {"final", {.output = attnres::Output::kDepthAttention}},
          {"plain", {.residual = attnres::Residual::kPlain}},
          {"block2", {.sublayers_per_source = 2}},
          {"block3_final", {.output = attnres::Output::kDepthAttention, .sublayers_per_source = 3}},
          {"sample", {.prediction = Prediction::kSample}}};
}

LossReport golden_objective(ImfHead& head, at::ScalarType dtype = at::kDouble) {
  return head.objective(golden("data.actions").to(dtype), golden("data.cond").to(dtype),
                        golden("data.is_pad"), golden_draw(dtype));
}

// Checks every gradient in the golden file for `name`, and returns their number.
int expect_gradients(ImfHead& head, const std::string& name, double tolerance) {
  int count = 0;
  for (auto& parameter : head.named_parameters()) {
    const std::string key = "grad." + name + "." + parameter.key();
    if (!golden_file().tensors.contains(key)) continue;
    ++count;
    EXPECT_TRUE(parameter.value().grad().defined()) << key;
    EXPECT_LT(distance(parameter.value().grad(), golden(key)), tolerance) << key;
  }
  return count;
}

TEST(Rope, RotatesAdjacentPairsLikeTheReference) {
  const at::Tensor x = golden("rope.x");
  EXPECT_LT(distance(attnres::RopeTable(6).rotate(x), golden("rope.y")), kTolerance);
}

TEST(GroupedQueryAttention, SharesKeyHeadsLikeTheReference) {
  attnres::GroupedQueryAttention attention(16, 4, 2, 0.0);
  attention->to(at::kDouble);
  at::NoGradGuard no_grad;
  for (auto& parameter : attention->named_parameters()) {
    parameter.value().copy_(golden("param.attnres_backbone.layers.0.fn." + parameter.key()));
  }
  const at::Tensor y = attention(golden("gqa.x"), attnres::RopeTable(4), nullptr);
  EXPECT_LT(distance(y, golden("gqa.y")), kTolerance);
}

TEST(DepthAttention, WeightsSourcesLikeTheReference) {
  // The query is between two others, so a reader must find its own column.
  const at::Tensor query = golden("depth.query");
  attnres::DepthAttention depth(at::stack({query * 2, query, -query}));
  for (const at::Tensor& source : golden("depth.sources").unbind(0)) depth.push(source);
  EXPECT_LT(distance(depth.read(1), golden("depth.y")), kTolerance);
}

TEST(Latent, MatchesTheOrthonormalCosineTransform) {
  EXPECT_LT(distance(dct_matrix(4, at::kDouble), golden("dct")), kTolerance);
  const at::Tensor actions = golden("data.actions");
  const LatentSpace space(Latent::kDct);
  const at::Tensor latents = space.encode(actions);
  EXPECT_LT(distance(latents, at::matmul(golden("dct"), actions)), kTolerance);
  EXPECT_LT(distance(space.decode(latents), actions), kTolerance);
  // Another dtype and another horizon, while the matrix of the first ones is cached.
  EXPECT_EQ(space.encode(actions.to(at::kFloat)).scalar_type(), at::kFloat);
  const at::Tensor shorter = actions.narrow(1, 0, 3);
  EXPECT_LT(distance(space.decode(space.encode(shorter)), shorter), kTolerance);
}

TEST(ImfHead, VelocityMatchesTheReferenceInEveryNetworkKind) {
  for (const Network& network : networks()) {
    auto head = golden_head(network.options);
    at::NoGradGuard no_grad;
    const Draw draw = golden_draw();
    const at::Tensor u = head->velocity(draw.noise, draw.r, draw.t, golden("data.cond"));
    EXPECT_LT(distance(u, golden("u." + network.name)), kTolerance) << network.name;
  }
}

TEST(ImfHead, CompoundVelocityMatchesTheReferencesJvp) {
  for (const Network& network : networks()) {
    auto head = golden_head(network.options);
    const Draw draw = golden_draw();
    const at::Tensor compound = head->compound_velocity(draw.noise, draw, golden("data.cond"));
    const at::Tensor expected = golden("u." + network.name) +
                                (draw.t - draw.r).view({-1, 1, 1}) * golden("dudt." + network.name);
    EXPECT_LT(distance(compound.detach(), expected), kTolerance) << network.name;
  }
}

TEST(ImfHead, LossAndGradientsMatchTheReferenceInEveryNetworkKind) {
  for (const Network& network : networks()) {
    auto head = golden_head(network.options);
    const LossReport report = golden_objective(*head);
    EXPECT_LT(distance(report.loss.detach(), golden("loss." + network.name)), kTolerance);
    report.loss.backward();
    const int checked = expect_gradients(*head, network.name, 1e-10);
    const bool all = network.name == "base" || network.name == "block3_final";
    EXPECT_EQ(checked, all ? int(head->named_parameters().size()) : 4) << network.name;
  }
}

TEST(ImfHead, LossKindsAndTheCosineLatentMatchTheReference) {
  const std::vector<Network> cases = {{"mse", {.loss = LossKind::kMse}},
                                      {"adaptive_l2", {.loss = LossKind::kAdaptiveL2}},
                                      {"dct", {.latent = Latent::kDct}}};
  for (const Network& c : cases) {
    auto head = golden_head(c.options);
    const LossReport report = golden_objective(*head);
    EXPECT_LT(distance(report.loss.detach(), golden("loss." + c.name)), kTolerance) << c.name;
    report.loss.backward();
    EXPECT_EQ(expect_gradients(*head, c.name, 1e-10), 4);
  }
}

TEST(ImfHead, PredictedSamplesAtEarlyTimesMatchTheReference) {
  auto head = golden_head({.prediction = Prediction::kSample});
  Draw draw = golden_draw();
  draw.r = golden("early.r");
  draw.t = golden("early.t");
  const LossReport report =
      head->objective(golden("data.actions"), golden("data.cond"), golden("data.is_pad"), draw);
  EXPECT_LT(distance(report.loss.detach(), golden("loss.early")), kTolerance);
  report.loss.backward();
  EXPECT_EQ(expect_gradients(*head, "early", 1e-10), 4);
}

TEST(ImfHead, SinglePrecisionMatchesTheReference) {
  auto head = golden_head({}, at::kFloat);
  const LossReport report = golden_objective(*head, at::kFloat);
  EXPECT_LT(distance(report.loss.detach(), golden("loss.base")), 1e-5);
  report.loss.backward();
  EXPECT_EQ(expect_gradients(*head, "base", 2e-4), int(head->named_parameters().size()));
}

TEST(ImfHead, SamplingInOneAndInThreeStepsMatchesTheReference) {
  const at::Tensor noise = golden("data.noise"), cond = golden("data.cond");
  EXPECT_LT(distance(golden_head()->integrate(noise, cond), golden("sample.1")), kTolerance);
  EXPECT_LT(
      distance(golden_head({.num_inference_steps = 3})->integrate(noise, cond), golden("sample.3")),
      kTolerance);
  EXPECT_LT(
      distance(
          golden_head({.num_inference_steps = 2, .latent = Latent::kDct})->integrate(noise, cond),
          golden("sample.dct")),
      kTolerance);
  EXPECT_LT(distance(golden_head({.num_inference_steps = 2, .prediction = Prediction::kSample})
                         ->integrate(noise, cond),
                     golden("sample.prediction")),
            kTolerance);
}

}  // namespace
}  // namespace roboimi::imf_head
