#include "plugins/resnet_backbone/load_resnet.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/torch.h>

#include <string_view>

#include "roboimi/common/error.h"

namespace roboimi::resnet_backbone {
namespace {

constexpr std::size_t kNamesShown = 8;

std::string without_prefixes(std::string name) {
  for (const std::string_view prefix : {"module.", "_orig_mod."}) {
    if (name.starts_with(prefix)) name.erase(0, prefix.size());
  }
  return name;
}

std::string list_names(const std::vector<std::string>& names) {
  const std::size_t shown = std::min(names.size(), kNamesShown);
  std::string text = fmt::format("{}", fmt::join(names.begin(), names.begin() + shown, ", "));
  if (names.size() > shown) text += fmt::format(" and {} more", names.size() - shown);
  return text;
}

}  // namespace

void load_resnet(const std::map<std::string, at::Tensor>& tensors, ResNetImpl& encoder,
                 const std::string& source) {
  std::map<std::string, at::Tensor> given, targets;
  for (const auto& [name, tensor] : tensors) {
    const std::string ours = without_prefixes(name);
    if (!ours.starts_with("fc.")) given.emplace(ours, tensor);
  }
  for (const auto& item : encoder.named_parameters()) targets[item.key()] = item.value();
  for (const auto& item : encoder.named_buffers()) targets[item.key()] = item.value();

  std::vector<std::string> found, missing, unexpected, misshapen;
  for (const auto& [name, target] : targets) {
    const auto entry = given.find(name);
    // Files from before torch 0.4.1 do not count batches.
    if (entry == given.end() && !name.ends_with("num_batches_tracked")) missing.push_back(name);
    if (entry != given.end() && entry->second.sizes() != target.sizes()) {
      misshapen.push_back(fmt::format("{} {} (expected {})", name, c10::str(entry->second.sizes()),
                                      c10::str(target.sizes())));
    }
  }
  for (const auto& [name, tensor] : given) {
    if (!targets.contains(name)) unexpected.push_back(name);
  }
  if (!missing.empty()) found.push_back("missing " + list_names(missing));
  if (!unexpected.empty()) found.push_back("unexpected " + list_names(unexpected));
  if (!misshapen.empty()) found.push_back("misshapen " + list_names(misshapen));
  if (!found.empty()) {
    throw Error({.what = "the weights do not fit the ResNet",
                 .where = source,
                 .expected = fmt::format("torchvision's {} tensors", targets.size()),
                 .found = fmt::format("{}", fmt::join(found, "; ")),
                 .next = "set depth and norm to the checkpoint's (running statistics mean norm: "
                         "batch)"});
  }
  at::NoGradGuard no_grad;
  for (auto& [name, target] : targets) {
    if (const auto entry = given.find(name); entry != given.end()) target.copy_(entry->second);
  }
}

}  // namespace roboimi::resnet_backbone
