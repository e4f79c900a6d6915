#include "plugins/imf_head/load_weights.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <string_view>

#include "roboimi/common/error.h"
#include "roboimi/common/log.h"
#include "roboimi/io/checkpoint_file.h"

namespace roboimi::imf_head {
namespace {

constexpr std::string_view kFirstParameter = "input_emb.weight";

bool is_ignored(std::string_view name) {
  return name == "_dummy_variable" || name.starts_with("layerwise_");
}

// The tensors under the prefix that stands before `input_emb.weight`, without it.
std::map<std::string, at::Tensor> without_prefix(const std::map<std::string, at::Tensor>& tensors,
                                                 const std::string& file) {
  for (const auto& [first, unused] : tensors) {
    if (!first.ends_with(kFirstParameter)) continue;
    const std::string prefix = first.substr(0, first.size() - kFirstParameter.size());
    if (!prefix.empty() && !prefix.ends_with('.')) continue;
    std::map<std::string, at::Tensor> found;
    for (const auto& [name, tensor] : tensors) {
      if (name.starts_with(prefix)) found.emplace(name.substr(prefix.size()), tensor);
    }
    return found;
  }
  throw Error({.what = "not the weights of an IMF head",
               .where = file,
               .expected = fmt::format("a tensor named {}", kFirstParameter),
               .found = fmt::format("{} other tensors", tensors.size()),
               .next = "`roboimi checkpoint inspect` lists what the file holds"});
}

void copy_parameter(at::Tensor& parameter, const std::string& name,
                    std::map<std::string, at::Tensor>& source, const std::string& file) {
  const auto found = source.find(name);
  if (found == source.end()) {
    throw Error({.what = "weights lack the parameter " + name,
                 .where = file,
                 .expected = c10::str(parameter.sizes()),
                 .next = "check n_layer, output and residual against the file"});
  }
  if (found->second.sizes() != parameter.sizes()) {
    throw Error({.what = "shape of " + name + " differs",
                 .where = file,
                 .expected = c10::str(parameter.sizes()),
                 .found = c10::str(found->second.sizes()),
                 .next = "check n_emb, n_head, n_kv_head and the data's dimensions"});
  }
  parameter.copy_(found->second);
  source.erase(found);
}

}  // namespace

std::vector<std::string> load_weights(torch::nn::Module& module,
                                      const std::filesystem::path& file) {
  at::NoGradGuard no_grad;
  const CheckpointFile checkpoint = read_checkpoint_file(file);
  std::map<std::string, at::Tensor> source = without_prefix(checkpoint.tensors, file.string());
  for (auto& parameter : module.named_parameters()) {
    copy_parameter(parameter.value(), parameter.key(), source, file.string());
  }
  std::vector<std::string> ignored, unknown;
  for (const auto& [name, tensor] : source) (is_ignored(name) ? ignored : unknown).push_back(name);
  if (!unknown.empty()) {
    throw Error({.what = "weights hold parameters that this head lacks",
                 .where = file.string(),
                 .found = fmt::format("{}", fmt::join(unknown, ", ")),
                 .next = "check n_layer, output and residual against the file"});
  }
  if (!ignored.empty()) {
    logger().warn("{}: not part of the head, ignored: {}", file.string(), fmt::join(ignored, ", "));
  }
  return ignored;
}

}  // namespace roboimi::imf_head
