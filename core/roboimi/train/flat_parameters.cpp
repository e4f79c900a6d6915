#include "roboimi/train/flat_parameters.h"

#include <set>

#include "roboimi/common/error.h"

namespace roboimi {
namespace {

constexpr std::int64_t kAlignment = 64;  // bytes: a cache line, and an AVX-512 register

struct Named {
  std::string name;
  at::Tensor parameter;
};

// Trainable parameters in registration order; a parameter registered twice counts once.
std::vector<Named> trainable_parameters(const torch::nn::Module& module) {
  std::vector<Named> found;
  std::set<const void*> seen;
  for (const auto& item : module.named_parameters()) {
    if (!item.value().defined() || !item.value().requires_grad()) continue;
    if (seen.insert(item.value().unsafeGetTensorImpl()).second) {
      found.push_back({item.key(), item.value()});
    }
  }
  if (found.empty()) {
    throw Error({.what = "nothing to train",
                 .expected = "at least one parameter with requires_grad",
                 .next = "check whether every part of the agent is frozen"});
  }
  for (const Named& named : found) {
    const at::Tensor& first = found.front().parameter;
    if (named.parameter.options().type_equal(first.options()) &&
        named.parameter.device() == first.device()) {
      continue;
    }
    throw Error({.what = "trainable parameters of different dtypes or devices",
                 .where = named.name,
                 .expected = first.toString() + " on " + first.device().str(),
                 .found = named.parameter.toString() + " on " + named.parameter.device().str()});
  }
  return found;
}

FlatGroup make_group(const std::vector<Named>& members, bool decays) {
  const torch::NoGradGuard no_grad;
  const std::int64_t unit = kAlignment / members.front().parameter.element_size();
  FlatGroup group{.decays = decays};
  std::int64_t size = 0;
  for (const Named& member : members) {
    group.views.push_back({member.name, member.parameter, size});
    size += (member.parameter.numel() + unit - 1) / unit * unit;
  }
  const auto options = members.front().parameter.options().requires_grad(false);
  group.parameters = at::zeros({size}, options);
  group.gradients = at::zeros({size}, options);
  // The module's tensor objects stay the same; only their storage changes.
  for (FlatView& view : group.views) {
    at::Tensor data = group.part_of(group.parameters, view);
    data.copy_(view.parameter);
    view.parameter.set_data(data);
    view.parameter.mutable_grad() = group.part_of(group.gradients, view);
  }
  return group;
}

}  // namespace

at::Tensor FlatGroup::part_of(const at::Tensor& buffer, const FlatView& view) const {
  return buffer.narrow(0, view.offset, view.parameter.numel()).view(view.parameter.sizes());
}

FlatParameters::FlatParameters(torch::nn::Module& module, const Decays& decays) {
  std::vector<Named> with_decay, without_decay;
  for (const Named& named : trainable_parameters(module)) {
    (decays(named.name, named.parameter) ? with_decay : without_decay).push_back(named);
  }
  if (!with_decay.empty()) groups_.push_back(make_group(with_decay, true));
  if (!without_decay.empty()) groups_.push_back(make_group(without_decay, false));
}

std::int64_t FlatParameters::num_parameters() const {
  std::int64_t count = 0;
  for (const FlatGroup& group : groups_) {
    for (const FlatView& view : group.views) count += view.parameter.numel();
  }
  return count;
}

void FlatParameters::zero_gradients() {
  for (FlatGroup& group : groups_) group.gradients.zero_();
}

at::Tensor FlatParameters::clip_gradients(double max_norm) {
  std::vector<at::Tensor> norms;
  for (const FlatGroup& group : groups_) norms.push_back(at::linalg_vector_norm(group.gradients));
  const at::Tensor norm =
      norms.size() == 1 ? norms.front() : at::linalg_vector_norm(at::stack(norms));
  if (max_norm > 0.0) {
    // Multiplying by 1 when nothing needs clipping is cheaper than reading the norm from the
    // device.
    const at::Tensor scale = (max_norm / (norm + 1e-6)).clamp_max(1.0);
    for (FlatGroup& group : groups_) group.gradients.mul_(scale);
  }
  return norm;
}

void FlatParameters::check_views() const {
  for (const FlatGroup& group : groups_) {
    const auto address = [&](const at::Tensor& buffer, const FlatView& view) {
      return static_cast<const char*>(buffer.const_data_ptr()) +
             view.offset * buffer.element_size();
    };
    for (const FlatView& view : group.views) {
      if (view.parameter.numel() == 0) continue;  // has no address
      if (view.parameter.const_data_ptr() != address(group.parameters, view)) {
        throw Error({.what = "the parameter left the trainer's buffer and would not be trained",
                     .where = view.name,
                     .next = "do not move, cast or replace parameters while training"});
      }
      const at::Tensor& gradient = view.parameter.grad();
      if (!gradient.defined() || gradient.const_data_ptr() != address(group.gradients, view)) {
        throw Error({.what = "the gradient left the trainer's buffer and would have no effect",
                     .where = view.name,
                     .next = "do not call zero_grad() or replace gradients in loss(): the trainer "
                             "zeroes them"});
      }
    }
  }
}

}  // namespace roboimi
