#include "plugins/vla_agent/rotation_layout.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "roboimi/common/error.h"

namespace roboimi::vla_agent {
namespace {

constexpr std::int64_t kSize6d = 6;
constexpr double kSmallestLength = 1e-6;
constexpr std::array kKinds = {RotationKind::kQuaternionWxyz, RotationKind::kQuaternionXyzw,
                               RotationKind::kRotationVector, RotationKind::kRollPitchYaw};

}  // namespace

std::optional<Rotation> rotation_from(const std::string& text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos) return std::nullopt;
  const auto* kind = std::ranges::find(kKinds, text.substr(colon + 1),
                                       [](RotationKind kind) { return to_string(kind); });
  Rotation rotation;
  const char* end = text.data() + colon;
  const auto [stop, error] = std::from_chars(text.data(), end, rotation.first);
  if (kind == kKinds.end() || error != std::errc() || stop != end || rotation.first < 0) {
    return std::nullopt;
  }
  rotation.kind = *kind;
  return rotation;
}

std::string RotationLayout::Part::dims() const {
  return fmt::format("{} to {}", first, first + size - 1);
}

RotationLayout::RotationLayout(const std::vector<Rotation>& rotations, std::int64_t dim,
                               const std::string& option) {
  // In the order of the dimensions, with the dimensions between them.
  std::vector<Rotation> sorted = rotations;
  std::ranges::sort(sorted, {}, &Rotation::first);
  for (const auto& [first, kind] : sorted) {
    const std::string found = fmt::format("{}:{}", first, to_string(kind));
    if (first < 0 || first + size_of(kind) > dim) {
      throw Error(
          {.what = "a rotation has dimensions that the data does not have",
           .where = option,
           .expected = fmt::format("{} values within the {} of the data", size_of(kind), dim),
           .found = found});
    }
    if (first < dim_) {
      throw Error({.what = "two rotations share a dimension",
                   .where = option,
                   .expected = fmt::format("at least {}", dim_),
                   .found = found});
    }
    add(std::nullopt, first - dim_);
    add(kind, size_of(kind));
  }
  add(std::nullopt, dim - dim_);
}

void RotationLayout::add(std::optional<RotationKind> kind, std::int64_t size) {
  if (size == 0) return;
  const std::int64_t size_6d = kind ? kSize6d : size;
  parts_.push_back(
      {.kind = kind, .first = dim_, .size = size, .first_6d = dim_6d_, .size_6d = size_6d});
  dim_ += size;
  dim_6d_ += size_6d;
}

std::optional<RotationKind> RotationLayout::kind_at(std::int64_t first) const {
  const auto found = std::ranges::find(parts_, first, &Part::first);
  return found != parts_.end() ? found->kind : std::nullopt;
}

bool RotationLayout::is_rotation(std::int64_t dim) const {
  return std::ranges::any_of(parts_, [&](const Part& part) {
    return part.kind && dim >= part.first && dim < part.first + part.size;
  });
}

at::Tensor RotationLayout::to_6d(const at::Tensor& vectors) const {
  if (!has_rotations()) return vectors;
  std::vector<at::Tensor> pieces;
  for (const Part& part : parts_) {
    const at::Tensor piece = part.of_data(vectors);
    pieces.push_back(part.kind ? vla_agent::to_6d(matrix_of(*part.kind, piece)) : piece);
  }
  return at::cat(pieces, -1);
}

at::Tensor RotationLayout::from_6d(const at::Tensor& vectors, const at::Tensor& near) const {
  if (!has_rotations()) return vectors;
  std::vector<at::Tensor> pieces;
  for (const Part& part : parts_) {
    at::Tensor piece = part.of_6d(vectors);
    if (part.kind) {
      const at::Tensor wide = matrix_of_6d(piece.to(at::kDouble));
      piece = values_of(*part.kind, wide, part.of_data(near).to(at::kDouble)).to(piece.dtype());
    }
    pieces.push_back(piece);
  }
  return at::cat(pieces, -1);
}

at::Tensor RotationLayout::near_zero() const {
  at::Tensor near = at::zeros({dim_});
  for (const Part& part : parts_) {
    if (part.kind) part.of_data(near).copy_(vla_agent::near_zero(*part.kind));
  }
  return near;
}

at::Tensor RotationLayout::near_data(const Statistics& statistics) const {
  at::Tensor near = near_zero();
  for (const Part& part : parts_) {
    if (!part.kind) continue;
    Statistics of_part{.min = part.of_data(statistics.min), .mean = part.of_data(statistics.mean)};
    if (statistics.covariance.defined()) {
      of_part.covariance = part.of_data(statistics.covariance.narrow(0, part.first, part.size));
    }
    part.of_data(near).copy_(vla_agent::near_data(*part.kind, of_part));
  }
  return near;
}

std::vector<Normalization> RotationLayout::to_6d(const std::vector<Normalization>& kinds) const {
  std::vector<Normalization> all;
  for (const Part& part : parts_) {
    if (part.kind) {
      all.insert(all.end(), kSize6d, Normalization::kIdentity);
    } else {
      const auto first = kinds.begin() + part.first;
      all.insert(all.end(), first, first + part.size);
    }
  }
  return all;
}

Statistics RotationLayout::to_6d(const Statistics& statistics) const {
  if (!has_rotations()) return statistics;
  // The numbers of a rotation are not used; those of a 6d representation would be in [-1, 1].
  const auto expand = [&](const at::Tensor& values, double of_rotations) {
    if (!values.defined()) return values;
    at::Tensor expanded = at::full({dim_6d_}, of_rotations, values.options());
    for (const Part& part : parts_) {
      if (!part.kind) part.of_6d(expanded).copy_(part.of_data(values));
    }
    return expanded;
  };
  return {.min = expand(statistics.min, -1.0),
          .max = expand(statistics.max, 1.0),
          .mean = expand(statistics.mean, 0.0),
          .std = expand(statistics.std, 1.0),
          .q01 = expand(statistics.q01, -1.0),
          .q99 = expand(statistics.q99, 1.0)};
}

void RotationLayout::check(const at::Tensor& rows, const std::string& what) const {
  for (const Part& part : parts_) {
    if (!part.kind || !is_quaternion(*part.kind)) continue;
    const at::Tensor lengths = part.of_data(rows).square().sum(-1).sqrt().flatten();
    const at::Tensor zero = (lengths < kSmallestLength).nonzero();
    if (zero.numel() == 0) continue;
    throw Error({.what = what + " holds a quaternion of length 0",
                 .where = fmt::format("dimensions {}", part.dims()),
                 .expected = fmt::format("a {}", to_string(*part.kind)),
                 .found = fmt::format("zeros in row {} ({} such rows)",
                                      zero[0].item<std::int64_t>(), zero.size(0)),
                 .next = "fix the data, or correct the dimension of the rotation"});
  }
}

}  // namespace roboimi::vla_agent
