// Tests of what runs on a CPU; tests/cuda tests the graphs.
#include "roboimi/common/graphed_function.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace roboimi {
namespace {

TEST(GraphedFunction, CallsTheFunctionWithoutGradientsOnACpu) {
  GraphedFunction twice("twice", {}, [](const std::vector<at::Tensor>& inputs) {
    EXPECT_FALSE(at::GradMode::is_enabled());
    return inputs[0] * 2 + inputs[1];
  });
  const at::Tensor x = at::arange(3, at::kFloat), y = at::ones({3});
  EXPECT_TRUE(twice.run({x, y}).equal(x * 2 + y));
  EXPECT_TRUE(twice.run({y, x}).equal(y * 2 + x));
  EXPECT_EQ(twice.num_graphs(), 0U);
}

TEST(RelativeDifference, IsTheLargestOverTheLargestValue) {
  const at::Tensor expected = at::tensor({1.0, -4.0, 2.0});
  EXPECT_EQ(relative_difference(expected, expected), 0.0);
  EXPECT_NEAR(relative_difference(expected + at::tensor({0.0, 0.0, 1.0}), expected), 0.25, 1e-12);
  EXPECT_EQ(relative_difference(at::ones({2}), at::zeros({2})), 1.0);
  EXPECT_TRUE(std::isinf(relative_difference(at::ones({2}), at::ones({3}))));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(std::isinf(relative_difference(at::full({3}, nan), expected)));
  EXPECT_TRUE(std::isinf(relative_difference(expected, at::full({3}, nan))));
}

}  // namespace
}  // namespace roboimi
