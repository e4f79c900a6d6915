// Comparison of du/dt with finite differences, which share no formula with forward-mode
// differentiation.
#include <gtest/gtest.h>

#include "tests/plugins/imf_head/golden.h"

namespace roboimi::imf_head {
namespace {

TEST(ImfHead, SlopeMatchesFiniteDifferencesInDoublePrecision) {
  for (const ImfOptions& options :
       {ImfOptions{}, {.sublayers_per_source = 2}, {.prediction = Prediction::kSample}}) {
    auto head = golden_head(options);
    Draw draw = golden_draw();
    draw.num_equal = 0;
    const at::Tensor z = golden("data.actions"), cond = golden("data.cond");
    const at::Tensor compound = head->compound_velocity(z, draw, cond).detach();
    at::NoGradGuard no_grad;
    const auto u = [&](const at::Tensor& z, const at::Tensor& t) {
      return head->velocity(z, draw.r, t, cond);
    };
    const at::Tensor v = head->velocity(z, draw.t, draw.t, cond);
    const double step = 1e-5;
    const at::Tensor slope =
        (u(z + step * v, draw.t + step) - u(z - step * v, draw.t - step)) / (2 * step);
    const at::Tensor gap = (draw.t - draw.r).view({-1, 1, 1});
    EXPECT_GT((gap * slope).abs().max().item<double>(), 1e-2);
    EXPECT_LT(distance(compound, u(z, draw.t) + gap * slope), 1e-6);
  }
}

TEST(ImfHead, EqualTimesHaveNoCorrection) {
  auto head = golden_head();
  const Draw draw = golden_draw();
  const at::Tensor z = golden("data.actions"), cond = golden("data.cond");
  const at::Tensor compound = head->compound_velocity(z, draw, cond);
  const at::Tensor u = head->velocity(z, draw.r, draw.t, cond);
  EXPECT_LT(distance(compound.narrow(0, 0, 2).detach(), u.narrow(0, 0, 2).detach()), 1e-12);
  EXPECT_GT(distance(compound.narrow(0, 2, 2).detach(), u.narrow(0, 2, 2).detach()), 1e-3);
}

TEST(ImfHead, GradientsMatchFiniteDifferencesOfTheRegression) {
  // If all times are equal no gradient is stopped, so the loss is an ordinary function of the
  // parameters.
  auto head = golden_head({.output = attnres::Output::kDepthAttention});
  Draw draw = golden_draw();
  draw.r = draw.t;
  draw.num_equal = 4;
  const auto loss = [&] {
    return head->objective(golden("data.actions"), golden("data.cond"), golden("data.is_pad"), draw)
        .loss;
  };
  loss().backward();
  at::NoGradGuard no_grad;
  for (auto& parameter : head->named_parameters()) {
    at::Tensor flat = parameter.value().view(-1);
    const at::Tensor gradient = parameter.value().grad().view(-1);
    const std::int64_t index = gradient.abs().argmax().item<std::int64_t>();
    const double step = 1e-6, before = flat[index].item<double>();
    flat[index] = before + step;
    const double up = loss().item<double>();
    flat[index] = before - step;
    const double down = loss().item<double>();
    flat[index] = before;
    EXPECT_NEAR(gradient[index].item<double>(), (up - down) / (2 * step), 1e-7) << parameter.key();
  }
}

}  // namespace
}  // namespace roboimi::imf_head
