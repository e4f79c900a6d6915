#include "roboimi/io/tensor_map.h"

#include "roboimi/common/error.h"
#include "roboimi/io/weight_differences.h"

namespace roboimi {
namespace {

bool fits(const at::Tensor& source, const at::Tensor& target) {
  return source.sizes() == target.sizes() && source.scalar_type() == target.scalar_type();
}

}  // namespace

TensorMap tensors_of(const torch::nn::Module& module) {
  TensorMap tensors;
  for (const auto& item : module.named_parameters()) {
    if (item.value().defined()) tensors[item.key()] = item.value();
  }
  for (const auto& item : module.named_buffers()) {
    if (item.value().defined()) tensors[item.key()] = item.value();
  }
  return tensors;
}

void load_tensors_strictly(torch::nn::Module& module, const TensorMap& tensors,
                           const std::string& where) {
  // Collect all differences before anything is copied.
  TensorMap targets = tensors_of(module);
  WeightDifferences found;
  for (const auto& [name, target] : targets) {
    const auto source = tensors.find(name);
    if (source == tensors.end()) {
      found.missing.push_back(name);
    } else if (!fits(source->second, target)) {
      found.mismatched.push_back(mismatch_text(name, source->second, target));
    }
  }
  for (const auto& item : tensors) {
    if (!targets.contains(item.first)) found.unexpected.push_back(item.first);
  }
  found.check({.what = "the weights do not fit the agent",
               .where = where,
               .next = "use the agent's configuration from when the weights were saved"});
  // Copy.
  const torch::NoGradGuard no_grad;
  for (auto& [name, target] : targets) target.copy_(tensors.at(name));
}

void copy_from(const TensorMap& tensors, const std::string& name, at::Tensor target) {
  const auto found = tensors.find(name);
  if (found == tensors.end()) {
    throw Error({.what = "a tensor is missing from the checkpoint", .where = name});
  }
  if (!fits(found->second, target)) {
    throw Error({.what = "a tensor in the checkpoint has the wrong shape or dtype",
                 .where = name,
                 .expected = dtype_and_shape(target),
                 .found = dtype_and_shape(found->second)});
  }
  const torch::NoGradGuard no_grad;
  target.copy_(found->second);
}

}  // namespace roboimi
