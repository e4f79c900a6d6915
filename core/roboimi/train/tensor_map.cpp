#include "roboimi/train/tensor_map.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "roboimi/common/error.h"

namespace roboimi {
namespace {

std::string describe(const at::Tensor& tensor) {
  return fmt::format("{} [{}]", c10::toString(tensor.scalar_type()),
                     fmt::join(tensor.sizes().begin(), tensor.sizes().end(), ", "));
}

bool fits(const at::Tensor& source, const at::Tensor& target) {
  return source.sizes() == target.sizes() && source.scalar_type() == target.scalar_type();
}

// "3 missing (a, b, c)": the first few names of a list.
std::string list_some(const std::string& kind, const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 5;
  if (names.empty()) return "";
  const std::vector<std::string> shown(names.begin(),
                                       names.begin() + std::min(kShown, names.size()));
  return fmt::format("{} {} ({}{})", names.size(), kind, fmt::join(shown, ", "),
                     names.size() > kShown ? ", ..." : "");
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
  TensorMap targets = tensors_of(module);
  std::vector<std::string> missing, unexpected, misshapen;
  for (const auto& [name, target] : targets) {
    const auto found = tensors.find(name);
    if (found == tensors.end()) {
      missing.push_back(name);
    } else if (!fits(found->second, target)) {
      misshapen.push_back(fmt::format("{}: {} against the model's {}", name,
                                      describe(found->second), describe(target)));
    }
  }
  for (const auto& item : tensors) {
    if (!targets.contains(item.first)) unexpected.push_back(item.first);
  }
  std::vector<std::string> problems;
  for (const std::string& text :
       {list_some("missing", missing), list_some("unexpected", unexpected),
        list_some("misshapen", misshapen)}) {
    if (!text.empty()) problems.push_back(text);
  }
  if (!problems.empty()) {
    throw Error({.what = "the weights do not fit the agent",
                 .where = where,
                 .found = fmt::format("{}", fmt::join(problems, "; ")),
                 .next = "was the agent's configuration changed since they were saved?"});
  }
  const torch::NoGradGuard no_grad;
  for (auto& [name, target] : targets) target.copy_(tensors.at(name));
}

void copy_from(const TensorMap& tensors, const std::string& name, at::Tensor target) {
  const auto found = tensors.find(name);
  if (found == tensors.end()) {
    throw Error({.what = "a tensor is missing from the checkpoint", .where = name});
  }
  if (!fits(found->second, target)) {
    throw Error({.what = "a tensor of the checkpoint does not fit",
                 .where = name,
                 .expected = describe(target),
                 .found = describe(found->second)});
  }
  const torch::NoGradGuard no_grad;
  target.copy_(found->second);
}

}  // namespace roboimi
