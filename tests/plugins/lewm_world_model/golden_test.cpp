// Comparison with tests/golden/lewm_world_model.py, a direct implementation in float64.
#include "tests/plugins/lewm_world_model/world_model_cases.h"

namespace roboimi::lewm_world_model {
namespace {

constexpr double kTolerance = 1e-9, kFloatTolerance = 1e-5;

TEST(Predictor, PredictsLikeTheReference) {
  lewm::Predictor predictor(golden_predictor());
  predictor->to(at::kDouble);
  fill_from_golden(*predictor, "predictor.");
  at::Generator generator = make_generator(0);
  for (const bool training : {true, false}) {
    predictor->train(training);
    const at::Tensor y =
        predictor->forward(golden("predictor.x"), golden("predictor.c"), generator);
    EXPECT_LT(distance(y, golden("predictor.y")), kTolerance) << training;
  }
}

TEST(Predictor, DoesNotSeeLaterFrames) {
  lewm::Predictor predictor(golden_predictor());
  predictor->to(at::kDouble);
  fill_from_golden(*predictor, "predictor.");
  at::Generator generator = make_generator(0);
  at::Tensor x = golden("predictor.x");
  x.select(1, 2).mul_(-2.0);
  const at::Tensor y = predictor->forward(x, golden("predictor.c"), generator);
  const at::Tensor expected = golden("predictor.y");
  EXPECT_LT(distance(y.slice(1, 0, 2), expected.slice(1, 0, 2)), kTolerance);
  EXPECT_GT(distance(y.select(1, 2), expected.select(1, 2)), 1e-3);
}

TEST(ActionEncoder, EncodesLikeTheReference) {
  lewm::ActionEncoder encoder(6, kGoldenWidth);
  encoder->to(at::kDouble);
  fill_from_golden(*encoder, "action_encoder.");
  EXPECT_LT(distance(encoder->forward(golden("action_encoder.x")), golden("action_encoder.y")),
            kTolerance);
}

TEST(SigReg, MatchesTheReference) {
  const at::Tensor found =
      lewm::SigReg({}).statistic(golden("sigreg.z"), golden("data.directions"));
  EXPECT_LT(distance(found, golden("sigreg.y")), kTolerance);
}

TEST(LewmWorldModel, LossAndMetricsMatchTheReference) {
  const auto model = golden_model();
  const LossReport report = golden_objective(*model);
  EXPECT_LT(distance(report.loss, golden("loss")), kTolerance);
  EXPECT_EQ(report.metrics.size(), 4);
  for (const auto& [name, value] : report.metrics) {
    EXPECT_LT(distance(value, golden(name)), kTolerance) << name;
    EXPECT_FALSE(value.requires_grad()) << name;
  }
}

// The scale of errors in `expected`: its largest value, with a lower bound relative to the largest
// of all gradients, or that gradient itself if `expected` is zero except for rounding (a shift
// before a BatchNorm).
double scale_of(const at::Tensor& expected, double largest) {
  constexpr double kSmall = 1e-2, kRounding = 1e-9;
  const double own = expected.abs().max().item<double>();
  return own < kRounding * largest ? largest : std::max(own, kSmall * largest);
}

void expect_golden_gradients(at::ScalarType dtype, double tolerance) {
  const auto model = golden_model(dtype);
  const LossReport report = golden_objective(*model, dtype);
  report.loss.backward();
  EXPECT_LT(distance(report.loss, golden("loss")), tolerance);
  double largest = 0.0;
  for (const auto& parameter : model->named_parameters()) {
    largest = std::max(largest, golden("grad." + parameter.key()).abs().max().item<double>());
  }
  for (const auto& parameter : model->named_parameters()) {
    ASSERT_TRUE(parameter.value().grad().defined()) << parameter.key();
    const at::Tensor expected = golden("grad." + parameter.key());
    const double scale = scale_of(expected, largest);
    const at::Tensor difference = parameter.value().grad().to(at::kDouble) - expected;
    EXPECT_LT(difference.abs().max().item<double>() / scale, tolerance) << parameter.key();
  }
}

TEST(LewmWorldModel, GradientsOfAllParametersMatchTheReference) {
  expect_golden_gradients(at::kDouble, kTolerance);
}

TEST(LewmWorldModel, GradientsMatchTheReferenceInSinglePrecision) {
  expect_golden_gradients(at::kFloat, kFloatTolerance);
}

TEST(LewmWorldModel, RepresentsFramesWithTheRunningStatistics) {
  const auto model = golden_model(at::kFloat);
  model->eval();
  const at::Tensor pixels = golden("data.pixels").flatten(0, 1);
  for (const at::ScalarType cached : {at::kFloat, at::kHalf}) {
    const at::Tensor found = model->represent(pixels.to(cached));
    EXPECT_EQ(found.scalar_type(), at::kFloat);
    EXPECT_FALSE(found.requires_grad());
    // Half precision changes the pixels themselves by up to 2^-11.
    EXPECT_LT(distance(found, golden("representation")), cached == at::kFloat ? 1e-5 : 5e-3);
  }
}

TEST(LewmWorldModel, RepresentsFramesWithTheCurrentWeights) {
  const auto model = golden_model(at::kFloat);
  model->eval();
  const at::Tensor pixels = golden("data.pixels").flatten(0, 1).to(at::kFloat);
  const at::Tensor before = model->represent(pixels);
  {
    const torch::NoGradGuard no_grad;
    model->projector->last()->bias.add_(1.0);
  }
  EXPECT_LT(distance(model->represent(pixels), before + 1.0), 1e-5);
}

}  // namespace
}  // namespace roboimi::lewm_world_model
