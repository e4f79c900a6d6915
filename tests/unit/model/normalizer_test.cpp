#include "roboimi/model/normalizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "roboimi/common/error.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;

// Two dimensions, the second nearly constant. Expected values below are worked out by hand.
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

TEST(Normalizer, ARangeUnderOneTenThousandthIsShiftedOnly) {
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

TEST(Normalizer, UndoesItself) {
  for (const auto kind :
       {Normalization::kMinMax, Normalization::kMeanStd, Normalization::kIdentity}) {
    Normalizer normalizer("action", 2, kind);
    normalizer.fit(Statistics::of(rows()));
    const at::Tensor x = at::tensor({3.0F, 5.0F});
    EXPECT_TRUE(normalizer.unnormalize(normalizer.normalize(x)).allclose(x));
  }
}

TEST(Normalizer, KnowsWhetherItHasStatisticsThroughItsBuffers) {
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
  try {
    normalizer.normalize(at::zeros({4, 3}));
    FAIL() << "three dimensions were accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("'state' does not fit its normaliser"));
  }
}

TEST(Statistics, RefuseNumbersThatAreNotFinite) {
  at::Tensor broken = rows();
  broken[1][0] = std::numeric_limits<float>::quiet_NaN();
  try {
    Statistics::of(broken);
    FAIL() << "NaN was accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("found 1 NaN or infinite"));
  }
}

}  // namespace
}  // namespace roboimi
