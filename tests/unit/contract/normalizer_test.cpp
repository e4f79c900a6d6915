#include "roboimi/contract/normalizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "roboimi/common/random.h"
#include "tests/error_text.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;

// Two dimensions, the second nearly constant. The expected values below are computed by hand.
at::Tensor rows() { return at::tensor({0.0F, 5.0F, 4.0F, 5.00001F, 8.0F, 5.0F}).view({3, 2}); }

at::Tensor fitted(Normalization kind, const at::Tensor& x) {
  Normalizer normalizer("state", 2, kind);
  normalizer.fit(Statistics::of(rows()));
  return normalizer.normalize(x);
}

TEST(Normalizer, MinMaxMapsTheRangeToMinusOneAndOne) {
  const at::Tensor y =
      fitted(Normalization::kMinMax, at::tensor({0.0F, 5.0F, 8.0F, 5.0F}).view({2, 2}));
  EXPECT_FLOAT_EQ(y[0][0].item<float>(), -1.0F);
  EXPECT_FLOAT_EQ(y[1][0].item<float>(), 1.0F);
}

TEST(Normalizer, ARangeBelowOneTenThousandthIsOnlyShifted) {
  const at::Tensor y = fitted(Normalization::kMinMax, at::tensor({4.0F, 6.0F}));
  EXPECT_NEAR(y[1].item<float>(), 1.0F, 1e-4);
}

TEST(Normalizer, MeanStdNeverDividesByLessThanOneHundredth) {
  const at::Tensor y = fitted(Normalization::kMeanStd, at::tensor({4.0F, 5.01F}));
  EXPECT_NEAR(y[0].item<float>(), 0.0F, 1e-6);
  EXPECT_NEAR(y[1].item<float>(), 1.0F, 1e-2);
  // Population standard deviation of 0, 4, 8 is sqrt(32 / 3).
  EXPECT_NEAR(fitted(Normalization::kMeanStd, at::tensor({8.0F, 5.0F}))[0].item<float>(),
              4.0 / std::sqrt(32.0 / 3.0), 1e-6);
}

// Variances 2.5, covariance 1.5: the correlation matrix has 0.4 along (1, -1) and 1.6 along (1, 1).
TEST(Normalizer, QuantileIgnoresOutliers) {
  // 0 .. 100 with an outlier at each end: numpy.quantile([-1e4, 0 .. 100, 1e4], [0.01, 0.99]) is
  // [0.02, 99.98].
  const at::Tensor data =
      at::cat({at::full({1}, -1e4), at::arange(101, at::kFloat), at::full({1}, 1e4)}).unsqueeze(1);
  Normalizer normalizer("action", 1, Normalization::kQuantile);
  EXPECT_THAT(error_text([&] { normalizer.fit(Statistics::of(data)); }),
              HasSubstr("no percentiles"));
  normalizer.fit(Statistics::of(data, /*with_percentiles=*/true));
  EXPECT_NEAR(normalizer.normalize(at::full({1}, 0.02)).item<float>(), -1.0, 1e-5);
  EXPECT_NEAR(normalizer.normalize(at::full({1}, 99.98)).item<float>(), 1.0, 1e-5);
  EXPECT_GT(normalizer.normalize(at::full({1}, 1e4)).item<float>(), 100.0);
}

TEST(Normalizer, CanTreatEachDimensionDifferently) {
  Normalizer normalizer("action", {Normalization::kMinMax, Normalization::kIdentity});
  EXPECT_FALSE(normalizer.fitted());
  normalizer.fit(Statistics::of(rows()));
  const at::Tensor x = at::tensor({8.0F, 5.0F});
  EXPECT_TRUE(at::equal(normalizer.normalize(x), at::tensor({1.0F, 5.0F})));
  EXPECT_TRUE(at::equal(normalizer.unnormalize(at::tensor({1.0F, 5.0F})), x));
  EXPECT_THAT(error_text([] {
                Normalizer("action", {Normalization::kMinMax, Normalization::kWhiten});
              }),
              HasSubstr("whiten for all dimensions or for none"));
}

TEST(Normalizer, TakesStatisticsInDoublePrecision) {
  Statistics statistics = Statistics::of(rows());
  for (at::Tensor* value : {&statistics.min, &statistics.max, &statistics.mean, &statistics.std}) {
    *value = value->to(at::kDouble);
  }
  Normalizer normalizer("state", 2, Normalization::kMeanStd);
  normalizer.fit(statistics);
  const at::Tensor x = at::tensor({4.0F, 5.01F});
  EXPECT_TRUE(at::equal(normalizer.normalize(x), fitted(Normalization::kMeanStd, x)));
}

TEST(Normalizer, WhitenDividesEachPrincipalAxisByItsStandardDeviation) {
  const at::Tensor x =
      at::tensor({2.0F, 2.0F, -2.0F, -2.0F, 1.0F, -1.0F, -1.0F, 1.0F}).view({4, 2});
  Normalizer normalizer("feature", 2, Normalization::kWhiten);
  normalizer.fit(Statistics::of(x + 7));
  const at::Tensor y = normalizer.normalize(x + 7);
  EXPECT_NEAR(y[0][1].item<float>(), 2 / std::sqrt(2.5) * std::sqrt(2.0) / std::sqrt(1.601), 1e-5);
  EXPECT_NEAR(y[0][0].item<float>(), 0, 1e-5);
  EXPECT_NEAR(std::abs(y[2][0].item<float>()), std::sqrt(2.0 / 2.5) / std::sqrt(0.401), 1e-5);
  EXPECT_NEAR(y[2][1].item<float>(), 0, 1e-5);
}

// Compared with singular values that torch computes from the rows, without a covariance.
TEST(Normalizer, WhitenedFeaturesAreUncorrelatedAndFiniteEvenWithoutVariance) {
  const at::Tensor hidden = at::randn({400, 5}, make_generator(7));
  const at::Tensor mixing = at::randn({5, 8}, make_generator(8));
  const at::Tensor x = hidden.mm(mixing);  // rank 5 of 8
  Normalizer normalizer("feature", 8, Normalization::kWhiten);
  normalizer.fit(Statistics::of(x));
  const at::Tensor y = normalizer.normalize(x).to(at::kDouble);
  const at::Tensor standard = (x - x.mean(0)) / x.std(0, /*unbiased=*/false);
  const at::Tensor variances = at::linalg_svdvals(standard.to(at::kDouble)).square().flip(0) / 400;
  const at::Tensor expected = at::diag(variances / (variances + 1e-3));
  EXPECT_TRUE(y.t().mm(y).div(400).allclose(expected, 0, 1e-3));
  EXPECT_TRUE(normalizer.unnormalize(normalizer.normalize(x)).allclose(x, 1e-3, 1e-3));
}

TEST(Normalizer, WhitenRefusesStatisticsWithoutCovariance) {
  Normalizer normalizer("feature", 2, Normalization::kWhiten);
  Statistics statistics = Statistics::of(rows());
  statistics.covariance.reset();
  EXPECT_THAT(error_text([&] { normalizer.fit(statistics); }),
              HasSubstr("'feature' has too many dimensions to be whitened"));
}

TEST(Normalizer, UndoesItself) {
  for (const auto kind : {Normalization::kMinMax, Normalization::kMeanStd, Normalization::kWhiten,
                          Normalization::kIdentity}) {
    Normalizer normalizer("action", 2, kind);
    normalizer.fit(Statistics::of(rows()));
    const at::Tensor x = at::tensor({3.0F, 5.0F});
    EXPECT_TRUE(normalizer.unnormalize(normalizer.normalize(x)).allclose(x));
  }
}

TEST(Normalizer, StoresItsStatisticsInBuffers) {
  Normalizer first("state", 2, Normalization::kMinMax);
  Normalizer second("state", 2, Normalization::kMinMax);
  EXPECT_FALSE(first.fitted());
  first.fit(Statistics::of(rows()));
  torch::NoGradGuard no_grad;
  for (const auto& buffer : first.named_buffers()) {
    second.named_buffers()[buffer.key()].copy_(buffer.value());
  }
  EXPECT_TRUE(second.fitted());
  const at::Tensor x = at::tensor({3.0F, 5.0F});
  EXPECT_TRUE(first.normalize(x).equal(second.normalize(x)));
}

TEST(Normalizer, RefusesAnotherSize) {
  Normalizer normalizer("state", 2, Normalization::kMinMax);
  EXPECT_THAT(error_text([&] {
                normalizer.normalize(at::zeros({4, 3}));
              }),
              HasSubstr("'state' has the wrong size for its normalizer"));
}

TEST(Statistics, RefuseValuesThatAreNotFinite) {
  at::Tensor broken = rows();
  broken[1][0] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(error_text([&] { Statistics::of(broken); }), HasSubstr("found 1 NaN or infinite"));
}

}  // namespace
}  // namespace roboimi
