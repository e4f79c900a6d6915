// Rotations as numbers of a dataset, as matrices, and as the 6d representation.
//
// The 6d representation is the first two columns of the rotation matrix, [R00 R10 R20 R01 R11 R21]
// (Zhou et al. 2019, arXiv 1812.07035). Unlike quaternions and angles it has no jumps, so a network
// can learn it. The Gram-Schmidt process turns any six numbers back into a rotation.
//
//   at::Tensor learned = to_6d(matrix_of(RotationKind::kQuaternionXyzw, quaternions));  // [..., 6]
//   at::Tensor back = values_of(RotationKind::kQuaternionXyzw, matrix_of_6d(learned), near);
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "roboimi/contract/normalizer.h"

namespace roboimi::vla_agent {

enum class RotationKind {
  kQuaternionWxyz,
  kQuaternionXyzw,
  kRotationVector,  // axis times angle, radians
  // Radians about the fixed axes x, y, z, in this order: R = Rz(yaw) Ry(pitch) Rx(roll), as in ROS
  // and URDF; SciPy's "xyz". The same as the intrinsic angles yaw, pitch, roll about z, y', x''.
  kRollPitchYaw,
};
// "quaternion_wxyz", "quaternion_xyzw", "rotation_vector", "roll_pitch_yaw".
std::string to_string(RotationKind kind);
bool is_quaternion(RotationKind kind);
// The number of values: 4 or 3.
std::int64_t size_of(RotationKind kind);

// Values [..., size_of(kind)] as matrices [..., 3, 3]. Quaternions are normalized; one of length 0
// becomes NaN, because a check would synchronize the device in every step.
at::Tensor matrix_of(RotationKind kind, const at::Tensor& values);
// Matrices [..., 3, 3] as values. Of the values of the same rotation, those nearest to `near`
// [size_of(kind)] are returned:
//   quaternion       of length 1, with the sign for which q . near >= 0
//   rotation vector  of an angle in [0, pi], or in [pi, 2 pi] about the opposite axis
//   roll, yaw        within pi of `near`; pitch is in [-pi/2, pi/2]; yaw is 0 + 2 pi k where pitch
//                    is +-pi/2, because only roll and yaw together are defined there
// near_zero() gives w >= 0, an angle in [0, pi], and roll and yaw in [-pi, pi].
at::Tensor values_of(RotationKind kind, const at::Tensor& matrix, const at::Tensor& near);
// The identity, [size_of(kind)].
at::Tensor near_zero(RotationKind kind);
// The `near` with which commands resemble the training data: the mean, or for quaternions the
// average rotation (the principal axis of q q^T; Markley et al. 2007), w = 1 if no w in the data is
// negative. `statistics` are those of the rotation's dimensions; covariance may be undefined.
at::Tensor near_data(RotationKind kind, const Statistics& statistics);

// [..., 3, 3] to [..., 6].
at::Tensor to_6d(const at::Tensor& matrix);
// The inverse, by Gram-Schmidt. A column that is zero, or parallel to the other, is replaced by a
// coordinate axis.
at::Tensor matrix_of_6d(const at::Tensor& values);
// a b, or a^T b with `transposed`, for matrices [..., 3, 3]. Always in the precision of the
// arguments, while matmul may round to TF32 or bfloat16 on a GPU.
at::Tensor product(const at::Tensor& a, const at::Tensor& b, bool transposed = false);

}  // namespace roboimi::vla_agent
