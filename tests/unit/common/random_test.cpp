#include "roboimi/common/random.h"

#include <gtest/gtest.h>
#include <torch/nn/modules/linear.h>

#include "roboimi/common/error.h"

namespace roboimi {
namespace {

at::Tensor default_state() { return at::detail::getDefaultCPUGenerator().get_state(); }

TEST(SeededConstruction, IsRepeatableAndRestoresTheDefaultGenerator) {
  const at::Tensor before = default_state();
  auto weights = [](std::uint64_t seed) {
    SeededConstruction guard(seed);
    return torch::nn::Linear(4, 4)->weight.detach().clone();
  };
  EXPECT_TRUE(weights(7).equal(weights(7)));
  EXPECT_FALSE(weights(7).equal(weights(8)));
  EXPECT_TRUE(before.equal(default_state()));
}

TEST(Dropout, DrawsOnlyFromItsGenerator) {
  const at::Tensor before = default_state();
  const at::Tensor x = at::ones({1000});
  at::Generator first = make_generator(3);
  at::Generator second = make_generator(3);
  const at::Tensor y = dropout(x, 0.25, first);
  EXPECT_TRUE(y.equal(dropout(x, 0.25, second)));
  EXPECT_TRUE(before.equal(default_state()));
  EXPECT_NEAR(y.mean().item<double>(), 1.0, 0.1);
  EXPECT_NEAR((y == 0).to(at::kDouble).mean().item<double>(), 0.25, 0.06);
}

TEST(Dropout, OfEverythingIsZero) {
  at::Generator generator = make_generator(3);
  EXPECT_TRUE(dropout(at::ones({4}), 1.0, generator).equal(at::zeros({4})));
}

TEST(BatchGenerator, DrawsEachRowFromItsOwnGenerator) {
  const auto alone = [](std::uint64_t seed) {
    at::Generator generator = make_generator(seed);
    return at::randn({1, 3, 2}, generator);
  };
  const BatchGenerator rows({make_generator(5), make_generator(6), make_generator(5)});
  const at::Tensor batch = rows.randn({3, 3, 2}, at::kFloat);
  EXPECT_TRUE(batch.equal(at::cat({alone(5), alone(6), alone(5)})));
  // The next call returns other numbers.
  EXPECT_FALSE(rows.randn({3, 3, 2}, at::kFloat).equal(batch));
  EXPECT_THROW(rows.randn({2, 3, 2}, at::kFloat), Error);
}

TEST(BatchGenerator, WithOneGeneratorDrawsLikeThatGenerator) {
  at::Generator generator = make_generator(5), same = make_generator(5);
  EXPECT_TRUE(BatchGenerator(generator).randn({3, 2}, at::kFloat).equal(at::randn({3, 2}, same)));
}

TEST(MixSeed, SeparatesItsCoordinates) {
  EXPECT_EQ(mix_seed(1, 2, 3), mix_seed(1, 2, 3));
  EXPECT_NE(mix_seed(1, 2, 3), mix_seed(1, 3, 2));
  EXPECT_NE(mix_seed(1, 2), mix_seed(2, 1));
}

}  // namespace
}  // namespace roboimi
