// Which dimensions of a vector hold rotations: the actions or the state of a dataset, and the same
// vector with every rotation as the 6d representation.
//
//   RotationLayout layout({{3, RotationKind::kQuaternionXyzw}}, 8, "agent.action_rotations");
//   layout.to_6d(poses);                             // [..., 8] -> [..., 10]
//   layout.from_6d(learned, layout.near_zero());     // [..., 10] -> [..., 8]
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "plugins/vla_agent/rotation.h"
#include "roboimi/contract/normalizer.h"

namespace roboimi::vla_agent {

struct Rotation {
  std::int64_t first = 0;  // dimension
  RotationKind kind = RotationKind::kQuaternionWxyz;
};

// "3:quaternion_xyzw", the first dimension and the kind; nullopt if the text is not of this form.
std::optional<Rotation> rotation_from(const std::string& text);

class RotationLayout {
 public:
  // A rotation, or neighboring dimensions without one.
  struct Part {
    std::optional<RotationKind> kind;
    std::int64_t first = 0, size = 0;        // in the data
    std::int64_t first_6d = 0, size_6d = 0;  // with rotations as 6d

    at::Tensor of_data(const at::Tensor& vectors) const { return vectors.narrow(-1, first, size); }
    at::Tensor of_6d(const at::Tensor& vectors) const {
      return vectors.narrow(-1, first_6d, size_6d);
    }
    std::string dims() const;  // "3 to 6"
  };

  // `option` names the list of rotations in an Error: a rotation that does not fit into `dim`
  // dimensions, or two that overlap.
  RotationLayout(const std::vector<Rotation>& rotations, std::int64_t dim,
                 const std::string& option);

  bool has_rotations() const { return dim_6d_ != dim_; }
  std::int64_t dim() const { return dim_; }
  std::int64_t dim_6d() const { return dim_6d_; }
  const std::vector<Part>& parts() const { return parts_; }
  // The rotation that starts at a dimension; nullopt if there is none.
  std::optional<RotationKind> kind_at(std::int64_t first) const;
  bool is_rotation(std::int64_t dim) const;

  // [..., dim()] -> [..., dim_6d()]. Returns `vectors` itself if there are no rotations.
  at::Tensor to_6d(const at::Tensor& vectors) const;
  // The inverse, computed in double. `near` [dim()] chooses between equal rotations, see
  // values_of(); its other dimensions are not used.
  at::Tensor from_6d(const at::Tensor& vectors, const at::Tensor& near) const;
  // vla_agent::near_zero() and near_data() of the rotations, [dim()].
  at::Tensor near_zero() const;
  at::Tensor near_data(const Statistics& statistics) const;

  // With rotations as 6d: their normalization is kIdentity, which uses no statistics.
  std::vector<Normalization> to_6d(const std::vector<Normalization>& kinds) const;
  Statistics to_6d(const Statistics& statistics) const;

  // Error if a quaternion of rows [..., dim()] has length 0. `what` names the rows.
  void check(const at::Tensor& rows, const std::string& what) const;

 private:
  void add(std::optional<RotationKind> kind, std::int64_t size);

  std::vector<Part> parts_;
  std::int64_t dim_ = 0, dim_6d_ = 0;
};

}  // namespace roboimi::vla_agent
