#include "plugins/vla_agent/action_space.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/utils.h>

#include <algorithm>
#include <string>

#include "roboimi/common/error.h"

namespace roboimi::vla_agent {
namespace {

constexpr const char* kActionRotations = "agent.action_rotations";
constexpr const char* kStateRotations = "agent.state_rotations";

std::vector<Normalization> of_each(const std::vector<Normalization>& kinds, std::int64_t dim) {
  if (kinds.size() == 1) {
    return std::vector<Normalization>(static_cast<std::size_t>(dim), kinds.front());
  }
  return kinds;
}

// The kind of each dimension plus 1, int64 [A + S]; 0: no rotation.
at::Tensor kinds_of(const RotationLayout& actions, const RotationLayout& state) {
  std::vector<std::int64_t> kinds;
  for (const RotationLayout* layout : {&actions, &state}) {
    for (const RotationLayout::Part& part : layout->parts()) {
      kinds.insert(kinds.end(), static_cast<std::size_t>(part.size),
                   part.kind ? static_cast<std::int64_t>(*part.kind) + 1 : 0);
    }
  }
  return at::tensor(kinds, at::kLong);
}

std::string name_of_kind(std::int64_t kind) {
  return kind == 0 ? "no rotation" : to_string(static_cast<RotationKind>(kind - 1));
}

// The statistics of the relative dimensions from `relative`, of the others from `absolute`.
Statistics merged(const Statistics& relative, const Statistics& absolute, const at::Tensor& mask) {
  const at::Tensor chosen = mask.to(at::kCPU).gt(0.5);
  const auto either = [&](const at::Tensor& a, const at::Tensor& b) {
    return a.defined() && b.defined() ? at::where(chosen, a, b) : at::Tensor();
  };
  return {.min = either(relative.min, absolute.min),
          .max = either(relative.max, absolute.max),
          .mean = either(relative.mean, absolute.mean),
          .std = either(relative.std, absolute.std),
          .q01 = either(relative.q01, absolute.q01),
          .q99 = either(relative.q99, absolute.q99)};
}

bool is_absolute(const ActionOptions& options, std::int64_t dim) {
  return std::ranges::find(options.absolute_dims, dim) != options.absolute_dims.end();
}

// The number of the part's dimensions that are absolute.
std::int64_t num_absolute(const ActionOptions& options, const RotationLayout::Part& part) {
  if (!options.are_relative) return part.size;
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < part.size; ++i) count += is_absolute(options, part.first + i);
  return count;
}

void check_absolute_dims(const ActionOptions& options, std::int64_t action_dim) {
  if (!options.are_relative && !options.absolute_dims.empty()) {
    throw Error({.what = "all actions are absolute",
                 .where = "agent.absolute_actions",
                 .expected = "an empty list, or agent.actions=relative"});
  }
  for (const std::int64_t dim : options.absolute_dims) {
    if (dim >= 0 && dim < action_dim) continue;
    throw Error({.what = "no such action dimension",
                 .where = "agent.absolute_actions",
                 .expected = fmt::format("0 to {}", action_dim - 1),
                 .found = std::to_string(dim)});
  }
}

void check_normalizations(const std::vector<Normalization>& kinds, const RotationLayout& actions) {
  const std::int64_t count = std::ssize(kinds);
  if (count == 1) return;
  if (count != actions.dim()) {
    throw Error({.what = "wrong number of normalizations",
                 .where = "agent.action_normalizations",
                 .expected = fmt::format("one for each of {} actions", actions.dim()),
                 .found = std::to_string(count)});
  }
  for (std::int64_t dim = 0; dim < count; ++dim) {
    const Normalization kind = kinds[static_cast<std::size_t>(dim)];
    if (!actions.is_rotation(dim) || kind == Normalization::kIdentity) continue;
    throw Error({.what = "rotations are not normalized",
                 .where = "agent.action_normalizations",
                 .expected = fmt::format("identity for dimension {}", dim),
                 .found = to_string(kind)});
  }
}

// A relative rotation of the actions needs a rotation of the state.
void check_reference(const ActionOptions& options, const RotationLayout::Part& rotation,
                     const RotationLayout& state) {
  const std::int64_t absolute = num_absolute(options, rotation);
  if (absolute == rotation.size) return;
  const std::string dims = rotation.dims();
  if (absolute > 0) {
    throw Error({.what = "a rotation is either relative or absolute",
                 .where = "agent.absolute_actions",
                 .expected = fmt::format("all or none of the dimensions {}", dims),
                 .found = fmt::format("{} of them", absolute)});
  }
  const std::optional<RotationKind> kind = state.kind_at(rotation.first);
  if (kind && size_of(*kind) == rotation.size) return;
  throw Error(
      {.what = "the state has no rotation that matches dimensions " + dims + " of the actions",
       .where = "agent.state_rotations",
       .expected =
           fmt::format("a rotation of {} values at dimension {}", rotation.size, rotation.first),
       .found = kind ? to_string(*kind) : "none",
       .next = fmt::format("add it, or list {} in agent.absolute_actions", dims)});
}

// Differences to the state must not be to a part of a rotation.
void check_differences(const ActionOptions& options, const RotationLayout::Part& part,
                       const RotationLayout& state) {
  for (std::int64_t dim = part.first; dim < part.first + part.size; ++dim) {
    if (!state.is_rotation(dim) || is_absolute(options, dim)) continue;
    throw Error(
        {.what = fmt::format("dimension {} is a rotation in the state, not in the actions", dim),
         .where = kActionRotations,
         .expected = "the rotations of the state",
         .next = fmt::format("add the rotation, or list {} in agent.absolute_actions", dim)});
  }
}

}  // namespace

void check_action_options(const ActionOptions& options, std::int64_t action_dim,
                          const RotationLayout& state) {
  if (options.are_relative && state.dim() != action_dim) {
    throw Error({.what = "relative actions need a state with the elements of the actions",
                 .where = "agent.actions",
                 .expected = fmt::format("a state of size {}", action_dim),
                 .found = fmt::format("size {}", state.dim()),
                 .next = "set agent.actions=absolute"});
  }
  check_absolute_dims(options, action_dim);
  const RotationLayout actions(options.rotations, action_dim, kActionRotations);
  check_normalizations(options.normalization, actions);
  for (const RotationLayout::Part& part : actions.parts()) {
    if (!options.are_relative) continue;
    part.kind ? check_reference(options, part, state) : check_differences(options, part, state);
  }
}

ActionSpace::ActionSpace(const ActionOptions& options, std::int64_t action_dim,
                         const RotationLayout& state, torch::nn::Module& owner)
    : layout_(options.rotations, action_dim, kActionRotations) {
  normalizer_ = owner.register_module(
      "action_normalizer",
      std::make_shared<Normalizer>("action",
                                   layout_.to_6d(of_each(options.normalization, action_dim))));
  if (layout_.has_rotations()) {
    near_ = owner.register_buffer("near_rotations", layout_.near_zero());
  }
  if (layout_.has_rotations() || state.has_rotations()) {
    kinds_ = kinds_of(layout_, state);
    trained_kinds_ = owner.register_buffer("rotation_kinds", kinds_.clone());
  }
  for (const RotationLayout::Part& part : layout_.parts()) {
    const bool is_reference = part.kind && num_absolute(options, part) == 0;
    reference_kinds_.push_back(is_reference ? state.kind_at(part.first) : std::nullopt);
  }
  if (!options.are_relative) return;
  at::Tensor relative = at::ones({action_dim});
  for (std::int64_t dim = 0; dim < action_dim; ++dim) {
    if (is_absolute(options, dim) || layout_.is_rotation(dim)) relative[dim].fill_(0.0);
  }
  relative_ = owner.register_buffer("relative_actions", relative);
}

void ActionSpace::check_rotation_kinds() const {
  if (!kinds_.defined()) return;
  const at::Tensor trained = trained_kinds_.to(at::kCPU);
  const at::Tensor other = trained.ne(kinds_).nonzero();
  if (other.size(0) == 0) return;
  const auto dim = other[0].item<std::int64_t>();
  const bool is_action = dim < layout_.dim();
  throw Error(
      {.what = fmt::format("the weights were trained with another kind of rotation at "
                           "dimension {} of the {}",
                           is_action ? dim : dim - layout_.dim(), is_action ? "actions" : "state"),
       .where = is_action ? kActionRotations : kStateRotations,
       .expected = name_of_kind(trained[dim].item<std::int64_t>()),
       .found = name_of_kind(kinds_[dim].item<std::int64_t>()),
       .next = "use the rotations of the training; convert those of the robot instead"});
}

void ActionSpace::fit(const DatasetStatistics& statistics) {
  const torch::NoGradGuard no_grad;
  if (near_.defined()) near_.copy_(layout_.near_data(statistics.action));
  if (!is_relative()) {
    normalizer_->fit(layout_.to_6d(statistics.action));
    return;
  }
  if (!statistics.relative_action) {
    throw Error({.what = "there are no statistics of relative actions",
                 .where = "agent.actions",
                 .expected = "training data with a state of the actions' size",
                 .next = "set agent.actions=absolute"});
  }
  normalizer_->fit(
      layout_.to_6d(merged(*statistics.relative_action, statistics.action, relative_)));
}

at::Tensor ActionSpace::normalize(const at::Tensor& commands, const at::Tensor& state) const {
  const at::Tensor differences = is_relative() ? commands - state * relative_ : commands;
  if (!layout_.has_rotations()) return normalizer_->normalize(differences);
  std::vector<at::Tensor> pieces;
  for (std::size_t i = 0; i < reference_kinds_.size(); ++i) {
    const RotationLayout::Part& part = layout_.parts()[i];
    if (!part.kind) {
      pieces.push_back(part.of_data(differences));
      continue;
    }
    at::Tensor rotation = matrix_of(*part.kind, part.of_data(commands));
    if (const auto kind = reference_kinds_[i]) {
      rotation = product(matrix_of(*kind, part.of_data(state)), rotation, /*transposed=*/true);
    }
    pieces.push_back(to_6d(rotation));
  }
  return normalizer_->normalize(at::cat(pieces, -1));
}

at::Tensor ActionSpace::unnormalize(const at::Tensor& actions, const at::Tensor& state) const {
  const at::Tensor values = normalizer_->unnormalize(actions);
  if (!layout_.has_rotations()) return is_relative() ? values + state * relative_ : values;
  if (!is_relative()) return values;
  std::vector<at::Tensor> pieces;
  for (std::size_t i = 0; i < reference_kinds_.size(); ++i) {
    const RotationLayout::Part& part = layout_.parts()[i];
    at::Tensor piece = part.of_6d(values);
    if (const auto kind = reference_kinds_[i]) {
      const at::Tensor reference = matrix_of(*kind, part.of_data(state));
      piece = to_6d(product(reference, matrix_of_6d(piece)));
    } else if (!part.kind) {
      piece = piece + part.of_data(state * relative_);
    }
    pieces.push_back(piece);
  }
  return at::cat(pieces, -1);
}

at::Tensor ActionSpace::commands_of(const at::Tensor& absolute, const at::Tensor& near) const {
  return layout_.has_rotations() ? layout_.from_6d(absolute, near) : absolute;
}

}  // namespace roboimi::vla_agent
