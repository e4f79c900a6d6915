#include "plugins/vla_agent/rotation.h"

#include <ATen/ATen.h>

#include <array>
#include <numbers>
#include <utility>

namespace roboimi::vla_agent {
namespace {

constexpr double kPi = std::numbers::pi;
// Of a column of the 6d representation, of cos(pitch), and of w.
constexpr double kSmallest = 1e-6;

// The element [i, j] of matrices, [...].
at::Tensor element(const at::Tensor& matrix, std::int64_t i, std::int64_t j) {
  return matrix.select(-2, i).select(-1, j);
}

// Nine tensors [...], row by row, as matrices [..., 3, 3].
at::Tensor matrix_from(const std::array<at::Tensor, 9>& elements) {
  return at::stack(elements, -1).unflatten(-1, {3, 3});
}

at::Tensor wxyz_of(RotationKind kind, const at::Tensor& quaternion) {
  return kind == RotationKind::kQuaternionXyzw ? quaternion.roll(1, -1) : quaternion;
}

at::Tensor length_of(const at::Tensor& vectors) {
  return vectors.square().sum(-1, /*keepdim=*/true).sqrt();
}

at::Tensor matrix_of_quaternion(const at::Tensor& quaternion) {
  const at::Tensor q = quaternion / length_of(quaternion);
  const at::Tensor w = q.select(-1, 0), x = q.select(-1, 1), y = q.select(-1, 2),
                   z = q.select(-1, 3);
  return matrix_from({1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
                      2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
                      2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)});
}

// The unit quaternion of half the angle: its sinc form has no singularity at angle 0.
at::Tensor matrix_of_vector(const at::Tensor& vector) {
  const at::Tensor half = length_of(vector) / 2;
  return matrix_of_quaternion(at::cat({half.cos(), vector * at::sinc(half / kPi) / 2}, -1));
}

at::Tensor matrix_of_angles(const at::Tensor& angles) {
  const at::Tensor sines = angles.sin(), cosines = angles.cos();
  const at::Tensor sr = sines.select(-1, 0), cr = cosines.select(-1, 0);
  const at::Tensor sp = sines.select(-1, 1), cp = cosines.select(-1, 1);
  const at::Tensor sy = sines.select(-1, 2), cy = cosines.select(-1, 2);
  return matrix_from({cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr, sy * cp,
                      sy * sp * sr + cy * cr, sy * sp * cr - cy * sr, -sp, cp * sr, cp * cr});
}

// The unit quaternion, wxyz, with w >= 0. Of the four ways to compute it, the one that divides by
// the largest number (Shepperd 1978).
at::Tensor quaternion_of(const at::Tensor& m) {
  const at::Tensor xx = element(m, 0, 0), yy = element(m, 1, 1), zz = element(m, 2, 2);
  const at::Tensor wx = element(m, 2, 1) - element(m, 1, 2);
  const at::Tensor wy = element(m, 0, 2) - element(m, 2, 0);
  const at::Tensor wz = element(m, 1, 0) - element(m, 0, 1);
  const at::Tensor xy = element(m, 1, 0) + element(m, 0, 1);
  const at::Tensor xz = element(m, 2, 0) + element(m, 0, 2);
  const at::Tensor yz = element(m, 2, 1) + element(m, 1, 2);
  // Row i is 4 q_i q.
  const at::Tensor rows = at::stack(
      {at::stack({1 + xx + yy + zz, wx, wy, wz}, -1), at::stack({wx, 1 + xx - yy - zz, xy, xz}, -1),
       at::stack({wy, xy, 1 - xx + yy - zz, yz}, -1),
       at::stack({wz, xz, yz, 1 - xx - yy + zz}, -1)},
      -2);
  const at::Tensor largest = rows.diagonal(0, -2, -1).argmax(-1, /*keepdim=*/true).unsqueeze(-1);
  std::vector<std::int64_t> one_row = rows.sizes().vec();
  one_row[one_row.size() - 2] = 1;
  const at::Tensor q = rows.gather(-2, largest.expand(one_row)).squeeze(-2);
  const at::Tensor unit = q / length_of(q);
  return at::where(unit.narrow(-1, 0, 1) < 0, -unit, unit);
}

// The vector of an angle in [0, pi].
at::Tensor vector_of(const at::Tensor& matrix) {
  const at::Tensor q = quaternion_of(matrix);
  const at::Tensor w = q.narrow(-1, 0, 1), axis = q.narrow(-1, 1, 3);
  const at::Tensor sine = length_of(axis);
  const at::Tensor scale = 2 * at::atan2(sine, w) / sine;
  return axis * at::where(sine < 1e-12, at::full_like(sine, 2.0), scale);
}

// Roll, pitch and yaw, each within pi of 0.
at::Tensor angles_of(const at::Tensor& m) {
  const at::Tensor cosine = (element(m, 0, 0).square() + element(m, 1, 0).square()).sqrt();
  const at::Tensor pitch = at::atan2(-element(m, 2, 0), cosine);
  // At a pitch of +-pi/2 there is only one angle more; it is given to roll.
  const at::Tensor is_locked = cosine < kSmallest;
  const at::Tensor roll = at::where(is_locked, at::atan2(-element(m, 1, 2), element(m, 1, 1)),
                                    at::atan2(element(m, 2, 1), element(m, 2, 2)));
  const at::Tensor yaw = at::atan2(element(m, 1, 0), element(m, 0, 0));
  return at::stack({roll, pitch, at::where(is_locked, at::zeros_like(yaw), yaw)}, -1);
}

// v, or the same rotation about the opposite axis.
at::Tensor nearest_vector(const at::Tensor& vector, const at::Tensor& near) {
  const at::Tensor angle = length_of(vector);
  const at::Tensor turn =
      at::where(angle < 1e-12, at::zeros_like(vector), vector * (2 * kPi / angle));
  const at::Tensor candidates = at::stack({vector, vector - turn}, -2);
  const at::Tensor best = (candidates - near).square().sum(-1, /*keepdim=*/true).argmin(-2, true);
  return candidates.gather(-2, best.expand_as(vector.unsqueeze(-2))).squeeze(-2);
}

at::Tensor nearest_angles(const at::Tensor& angles, const at::Tensor& near) {
  const at::Tensor full_turns = ((near - angles) / (2 * kPi)).round() * (2 * kPi);
  return angles + full_turns * at::tensor({1.0, 0.0, 1.0}, angles.options());
}

// Vectors [..., 3] of length 1. `instead` [..., 3] where their length is 0.
at::Tensor unit_or(const at::Tensor& vectors, const at::Tensor& instead) {
  const at::Tensor length = length_of(vectors);
  return at::where(length < kSmallest, instead, vectors / length);
}

}  // namespace

std::string to_string(RotationKind kind) {
  static constexpr std::array<const char*, 4> kNames = {"quaternion_wxyz", "quaternion_xyzw",
                                                        "rotation_vector", "roll_pitch_yaw"};
  return kNames.at(static_cast<std::size_t>(kind));
}

bool is_quaternion(RotationKind kind) {
  return kind == RotationKind::kQuaternionWxyz || kind == RotationKind::kQuaternionXyzw;
}

std::int64_t size_of(RotationKind kind) { return is_quaternion(kind) ? 4 : 3; }

at::Tensor matrix_of(RotationKind kind, const at::Tensor& values) {
  if (is_quaternion(kind)) return matrix_of_quaternion(wxyz_of(kind, values));
  return kind == RotationKind::kRotationVector ? matrix_of_vector(values)
                                               : matrix_of_angles(values);
}

at::Tensor values_of(RotationKind kind, const at::Tensor& matrix, const at::Tensor& near) {
  if (kind == RotationKind::kRotationVector) return nearest_vector(vector_of(matrix), near);
  if (kind == RotationKind::kRollPitchYaw) return nearest_angles(angles_of(matrix), near);
  const at::Tensor wxyz = quaternion_of(matrix);
  const at::Tensor q = kind == RotationKind::kQuaternionXyzw ? wxyz.roll(-1, -1) : wxyz;
  return at::where((q * near).sum(-1, /*keepdim=*/true) < 0, -q, q);
}

at::Tensor near_zero(RotationKind kind) {
  at::Tensor values = at::zeros({size_of(kind)});
  if (kind == RotationKind::kQuaternionWxyz) values[0].fill_(1.0);
  if (kind == RotationKind::kQuaternionXyzw) values[3].fill_(1.0);
  return values;
}

at::Tensor near_data(RotationKind kind, const Statistics& statistics) {
  if (!is_quaternion(kind)) return statistics.mean;
  // The signs of the data are those of w >= 0, whatever the average is.
  const at::Tensor zero = near_zero(kind).to(statistics.min.device());
  if ((statistics.min * zero).sum().item<double>() >= -kSmallest) return zero;
  if (!statistics.covariance.defined()) return statistics.mean;
  const at::Tensor mean = statistics.mean.to(statistics.covariance.options());
  const at::Tensor moment = statistics.covariance + at::outer(mean, mean);
  const at::Tensor axis = std::get<1>(at::linalg_eigh(moment)).select(1, 3);
  return (axis.dot(mean).item<double>() < 0 ? -axis : axis).to(statistics.mean.options());
}

at::Tensor to_6d(const at::Tensor& matrix) {
  return at::cat({matrix.select(-1, 0), matrix.select(-1, 1)}, -1);
}

at::Tensor matrix_of_6d(const at::Tensor& values) {
  const at::Tensor first = values.narrow(-1, 0, 3), second = values.narrow(-1, 3, 3);
  const at::Tensor axes = at::eye(3, values.options());
  const at::Tensor x = unit_or(first, axes[0].expand_as(first));
  // Removes the part along x from the second column, or from the axis that is least parallel to x.
  const auto without_x = [&](const at::Tensor& vector) {
    return vector - x * (x * vector).sum(-1, /*keepdim=*/true);
  };
  const at::Tensor other = without_x(axes.index({x.abs().argmin(-1)}));
  const at::Tensor y = unit_or(without_x(second), other / length_of(other));
  return at::stack({x, y, at::linalg_cross(x, y)}, -1);
}

at::Tensor product(const at::Tensor& a, const at::Tensor& b, bool transposed) {
  const at::Tensor left = transposed ? a.transpose(-1, -2) : a;
  return (left.unsqueeze(-1) * b.unsqueeze(-3)).sum(-2);
}

}  // namespace roboimi::vla_agent
