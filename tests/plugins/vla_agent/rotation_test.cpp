// Rotations compared with SciPy's (tests/golden/rotations.py), and vectors with rotations in them.
#include "plugins/vla_agent/rotation.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numbers>

#include "plugins/vla_agent/rotation_layout.h"
#include "roboimi/common/random.h"
#include "tests/error_text.h"
#include "tests/plugins/vla_agent/golden_rotations.h"

namespace roboimi::vla_agent {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using enum RotationKind;

double distance(const at::Tensor& a, const at::Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

TEST(Rotations, HaveSciPysNumbers) {
  for (const std::string name : {"states", "actions", "relative"}) {
    const at::Tensor matrix = golden_rotation(name, "matrix");
    EXPECT_LT(distance(to_6d(matrix), golden_rotation(name, "6d")), 1e-15);
    for (const RotationKind kind : kAllKinds) {
      const at::Tensor values = golden_rotation(name, to_string(kind));
      EXPECT_LT(distance(matrix_of(kind, values), matrix), 1e-12) << name << " " << to_string(kind);
      EXPECT_LT(distance(values_of(kind, matrix, near_zero(kind)), values), 1e-9)
          << name << " " << to_string(kind);
    }
  }
}

TEST(Rotations, HaveSciPysNumbersAtHalfTurnsAndWhereAnglesLock) {
  const at::Tensor matrix = golden_rotation("special", "matrix");
  for (const RotationKind kind : kAllKinds) {
    const at::Tensor values = golden_rotation("special", to_string(kind));
    EXPECT_LT(distance(matrix_of(kind, values), matrix), 1e-12) << to_string(kind);
    // At half turns the axis has two directions.
    const at::Tensor back = values_of(kind, matrix, near_zero(kind));
    EXPECT_LT(distance(matrix_of(kind, back), matrix), 1e-7) << to_string(kind);
  }
  // SciPy's last angle is 0 too where the pitch is +-90 degrees.
  const at::Tensor locked = golden_rotation("special", "roll_pitch_yaw").slice(0, -3);
  EXPECT_LT(
      distance(values_of(kRollPitchYaw, matrix.slice(0, -3), near_zero(kRollPitchYaw)), locked),
      1e-7);
  EXPECT_EQ(locked.select(1, 2).abs().max().item<double>(), 0.0);
}

TEST(Rotations, ReturnThroughTheSixNumbersOfSinglePrecision) {
  for (const RotationKind kind : kAllKinds) {
    const at::Tensor values = golden_rotation("actions", to_string(kind));
    const at::Tensor learned = to_6d(matrix_of(kind, values.to(at::kFloat)));
    const at::Tensor matrix = matrix_of_6d(learned.to(at::kDouble));
    EXPECT_LT(distance(values_of(kind, matrix, near_zero(kind)), values), 5e-6) << to_string(kind);
  }
}

TEST(Rotations, RelativeToOthersAreSciPys) {
  const at::Tensor states = golden_rotation("states", "matrix");
  const at::Tensor actions = golden_rotation("actions", "matrix");
  const at::Tensor relative = golden_rotation("relative", "matrix");
  EXPECT_LT(distance(product(states, actions, /*transposed=*/true), relative), 1e-14);
  EXPECT_LT(distance(product(states, relative), actions), 1e-14);
}

TEST(Rotations, OfAQuaternionDoNotDependOnItsLengthAndSign) {
  const at::Tensor q = golden_rotation("actions", "quaternion_wxyz");
  const at::Tensor matrix = golden_rotation("actions", "matrix");
  EXPECT_LT(distance(matrix_of(kQuaternionWxyz, -3.0 * q), matrix), 1e-12);
  EXPECT_TRUE(matrix_of(kQuaternionWxyz, at::zeros({4})).isnan().all().item<bool>());
}

TEST(Rotations, AreMadeFromAnySixNumbers) {
  at::Generator generator = make_generator(0);
  at::Tensor values = at::randn({12, 6}, generator, at::kDouble);
  values[0].fill_(0.0);
  values[1].fill_(0.5);                                                       // parallel
  values[2].copy_(at::tensor({0.0, 0.0, 1.0, 0.0, 0.0, -2.0}, at::kDouble));  // opposite
  values[3].slice(0, 0, 3).fill_(0.0);
  values[4].slice(0, 3, 6).fill_(0.0);
  const at::Tensor matrix = matrix_of_6d(values);
  EXPECT_LT(distance(matrix.transpose(1, 2).matmul(matrix), at::eye(3).expand({12, 3, 3})), 1e-6);
  EXPECT_LT(distance(at::linalg_det(matrix), at::ones({12})), 1e-6);
}

TEST(Rotations, AreTheValuesNearestToTheData) {
  // The sign of a quaternion.
  const at::Tensor q = golden_rotation("actions", "quaternion_xyzw");
  const at::Tensor matrix = golden_rotation("actions", "matrix");
  EXPECT_LT(distance(values_of(kQuaternionXyzw, matrix[3], -q[3]), -q[3]), 1e-9);
  // A vector of more than half a turn.
  const at::Tensor vector = at::tensor({0.0, 3.5, 0.1}, at::kDouble);
  const at::Tensor turned = matrix_of(kRotationVector, vector);
  EXPECT_LT(distance(values_of(kRotationVector, turned, vector + 0.2), vector), 1e-9);
  const at::Tensor short_way = values_of(kRotationVector, turned, at::zeros({3}));
  EXPECT_LT(short_way.norm().item<double>(), std::numbers::pi);
  EXPECT_LT(distance(matrix_of(kRotationVector, short_way), turned), 1e-9);
  // Angles that pass pi.
  const at::Tensor angles = at::tensor({3.3, 0.2, -3.4}, at::kDouble);
  const at::Tensor rotation = matrix_of(kRollPitchYaw, angles);
  EXPECT_LT(distance(values_of(kRollPitchYaw, rotation, at::tensor({3.1, 0.0, -3.1})), angles),
            1e-6);
  EXPECT_LT(distance(values_of(kRollPitchYaw, rotation, at::zeros({3})),
                     at::tensor({3.3 - 2 * std::numbers::pi, 0.2, 2 * std::numbers::pi - 3.4},
                                at::kDouble)),
            1e-6);
}

TEST(Rotations, OfTheDataHaveSciPysAverage) {
  const at::Tensor down = golden_rotation("down", "quaternion_xyzw");
  const at::Tensor near = near_data(kQuaternionXyzw, Statistics::of(down));
  EXPECT_NEAR(near.to(at::kDouble).dot(golden_rotation("down", "mean_xyzw")).abs().item<double>(),
              1.0, 1e-6);
  // Data whose quaternions all have w >= 0 keeps that sign, although the average has another.
  const at::Tensor positive = at::where(down.slice(1, 3) < 0, -down, down);
  EXPECT_TRUE(at::equal(near_data(kQuaternionXyzw, Statistics::of(positive)),
                        at::tensor({0.0F, 0.0F, 0.0F, 1.0F})));
  const at::Tensor angles = golden_rotation("actions", "roll_pitch_yaw");
  EXPECT_LT(distance(near_data(kRollPitchYaw, Statistics::of(angles)), angles.mean(0)), 1e-6);
}

TEST(RotationLayout, ReplacesRotationsBySixNumbers) {
  const RotationLayout layout({{7, kRotationVector}, {1, kQuaternionXyzw}}, 11, "option");
  EXPECT_EQ(layout.dim_6d(), 16);
  const at::Tensor q = golden_rotation("states", "quaternion_xyzw");
  const at::Tensor v = golden_rotation("actions", "rotation_vector");
  const at::Tensor plain = at::arange(80, at::kDouble).view({20, 4});
  const at::Tensor rows =
      at::cat({plain.slice(1, 0, 1), q, plain.slice(1, 1, 3), v, plain.slice(1, 3)}, 1);
  const at::Tensor learned = layout.to_6d(rows);
  EXPECT_LT(distance(learned, at::cat({plain.slice(1, 0, 1), golden_rotation("states", "6d"),
                                       plain.slice(1, 1, 3), golden_rotation("actions", "6d"),
                                       plain.slice(1, 3)},
                                      1)),
            1e-12);
  EXPECT_LT(distance(layout.from_6d(learned, layout.near_zero()), rows), 1e-9);
}

TEST(RotationLayout, NormalizesAllDimensionsButRotations) {
  const RotationLayout layout({{1, kRollPitchYaw}}, 5, "option");
  using enum Normalization;
  EXPECT_THAT(layout.to_6d(std::vector{kMinMax, kIdentity, kIdentity, kIdentity, kMeanStd}),
              ElementsAre(kMinMax, kIdentity, kIdentity, kIdentity, kIdentity, kIdentity, kIdentity,
                          kMeanStd));
  const Statistics rows = Statistics::of(at::arange(20, at::kFloat).view({4, 5}), true);
  const Statistics expanded = layout.to_6d(rows);
  EXPECT_TRUE(at::equal(expanded.max, at::tensor({15., 1., 1., 1., 1., 1., 1., 19.}, at::kFloat)));
  EXPECT_EQ(expanded.q99[7].item<float>(), rows.q99[4].item<float>());
}

TEST(RotationLayout, IsReadFromTexts) {
  const auto rotation = rotation_from("12:roll_pitch_yaw");
  ASSERT_TRUE(rotation);
  EXPECT_EQ(rotation->first, 12);
  EXPECT_EQ(rotation->kind, kRollPitchYaw);
  for (const std::string text : {"", "3", "3:", ":rotation_vector", "3:euler", "x:rotation_vector",
                                 "-1:rotation_vector", "3 :rotation_vector"}) {
    EXPECT_FALSE(rotation_from(text)) << text;
  }
}

TEST(RotationLayout, RefusesRotationsThatDoNotFit) {
  EXPECT_THAT(error_text([] {
                RotationLayout({{4, kQuaternionXyzw}}, 7, "agent.state_rotations");
              }),
              AllOf(HasSubstr("agent.state_rotations"), HasSubstr("4:quaternion_xyzw")));
  EXPECT_THAT(error_text([] {
                RotationLayout({{0, kQuaternionXyzw}, {3, kRotationVector}}, 7, "option");
              }),
              HasSubstr("two rotations share a dimension"));
  const RotationLayout layout({{1, kQuaternionWxyz}}, 5, "option");
  at::Tensor rows = at::ones({4, 5});
  EXPECT_NO_THROW(layout.check(rows, "the state"));
  rows.slice(0, 2).slice(1, 1).fill_(0.0);
  EXPECT_THAT(error_text([&] { layout.check(rows, "the state"); }),
              AllOf(HasSubstr("the state holds a quaternion of length 0"),
                    HasSubstr("dimensions 1 to 4"), HasSubstr("row 2 (2 such rows)")));
}

}  // namespace
}  // namespace roboimi::vla_agent
