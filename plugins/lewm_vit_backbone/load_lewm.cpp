#include "plugins/lewm_vit_backbone/load_lewm.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>
#include <torch/torch.h>

#include <string_view>

#include "modules/lewm/checkpoint_names.h"
#include "roboimi/common/error.h"

namespace roboimi::lewm_vit_backbone {
namespace {

constexpr std::size_t kNamesShown = 8;

std::string list_names(const std::vector<std::string>& names) {
  const std::size_t shown = std::min(names.size(), kNamesShown);
  std::string text = fmt::format("{}", fmt::join(names.begin(), names.begin() + shown, ", "));
  if (names.size() > shown) text += fmt::format(" and {} more", names.size() - shown);
  return text;
}

at::IntArrayRef shape_of(const LewmWeights& weights, const std::string& name, std::size_t rank) {
  const auto found = weights.tensors.find(name);
  if (found == weights.tensors.end()) {
    throw Error({.what = fmt::format("missing '{}', which tells the architecture", name),
                 .where = weights.source,
                 .expected = "a LEWM encoder and projector",
                 .found = fmt::format("{} entries of them", weights.tensors.size()),
                 .next = "run `roboimi checkpoint inspect` on the file"});
  }
  if (static_cast<std::size_t>(found->second.dim()) != rank) {
    throw Error({.what = fmt::format("'{}' has the wrong rank", weights.names.at(name)),
                 .where = weights.source,
                 .expected = fmt::format("{} dimensions", rank),
                 .found = c10::str(found->second.sizes())});
  }
  return found->second.sizes();
}

// Every parameter and buffer that the file must hold.
std::map<std::string, at::Tensor> targets_of(const VitEncoderImpl& encoder,
                                             const MlpProjectorImpl& projector) {
  std::map<std::string, at::Tensor> targets;
  auto add = [&](const std::string& prefix, const torch::nn::Module& module) {
    for (const auto& item : module.named_parameters()) targets[prefix + item.key()] = item.value();
    for (const auto& item : module.named_buffers()) targets[prefix + item.key()] = item.value();
  };
  add("encoder.", encoder);
  add("projector.", projector);
  return targets;
}

void check_strictly(const LewmWeights& weights, const std::map<std::string, at::Tensor>& targets) {
  std::vector<std::string> missing, unexpected, misshapen;
  for (const auto& [name, target] : targets) {
    const auto found = weights.tensors.find(name);
    if (found == weights.tensors.end()) {
      missing.push_back(name);
    } else if (found->second.sizes() != target.sizes()) {
      misshapen.push_back(fmt::format("{} {} (expected {})", weights.names.at(name),
                                      c10::str(found->second.sizes()), c10::str(target.sizes())));
    }
  }
  for (const auto& [name, tensor] : weights.tensors) {
    if (!targets.contains(name)) unexpected.push_back(weights.names.at(name));
  }
  std::vector<std::string> found;
  if (!missing.empty()) found.push_back("missing " + list_names(missing));
  if (!unexpected.empty()) found.push_back("unexpected " + list_names(unexpected));
  if (!misshapen.empty()) found.push_back("misshapen " + list_names(misshapen));
  if (found.empty()) return;
  throw Error({.what = "the weights do not fit LEWM's encoder and projector",
               .where = weights.source,
               .expected = fmt::format("{} tensors, all of them and no other", targets.size()),
               .found = fmt::format("{}", fmt::join(found, "; ")),
               .next = fmt::format("tried: prefixes model., module., _orig_mod. taken away and "
                                   "transformers 4.x names turned into 5.x ({} renamed); run "
                                   "`roboimi checkpoint inspect` on the file",
                                   weights.renamed)});
}

}  // namespace

LewmWeights select_lewm(const std::map<std::string, at::Tensor>& tensors,
                        const std::string& source) {
  LewmWeights weights{.source = source};
  for (const auto& [name, tensor] : tensors) {
    const std::string ours = lewm_name(name);
    if (!ours.starts_with("encoder.") && !ours.starts_with("projector.")) {
      ++weights.ignored;
      continue;
    }
    // Without its prefixes the name stands at the end of the file's, unless it was renamed.
    weights.renamed += !name.ends_with(ours);
    if (!weights.tensors.emplace(ours, tensor).second) {
      throw Error({.what = fmt::format("two entries claim '{}'", ours),
                   .where = source,
                   .found = fmt::format("{} and {}", weights.names.at(ours), name)});
    }
    weights.names[ours] = name;
  }
  if (weights.tensors.empty()) {
    std::vector<std::string> some;
    for (const auto& [name, tensor] : tensors) some.push_back(name);
    throw Error({.what = "no LEWM weights in the file",
                 .where = source,
                 .expected = "names under model.encoder. and model.projector. (or without model.)",
                 .found = some.empty() ? "no tensors" : list_names(some)});
  }
  return weights;
}

LewmArchitecture infer_architecture(const LewmWeights& weights,
                                    std::optional<std::int64_t> num_heads) {
  LewmArchitecture found;
  const auto patch = shape_of(weights, "encoder.embeddings.patch_embeddings.projection.weight", 4);
  found.vit.hidden_size = patch[0];
  found.vit.patch_size = patch[2];
  const auto positions = shape_of(weights, "encoder.embeddings.position_embeddings", 3);
  const auto grid = std::llround(std::sqrt(static_cast<double>(positions[1] - 1)));
  found.vit.image_size = grid * found.vit.patch_size;
  found.vit.intermediate_size = shape_of(weights, "encoder.layers.0.mlp.fc1.weight", 2)[0];
  found.vit.num_layers = 0;
  while (weights.tensors.contains(
      fmt::format("encoder.layers.{}.layernorm_before.weight", found.vit.num_layers))) {
    ++found.vit.num_layers;
  }
  found.vit.num_heads = num_heads.value_or(std::max<std::int64_t>(1, found.vit.hidden_size / 64));
  found.projector_hidden = shape_of(weights, "projector.net.0.weight", 2)[0];
  found.output_dim = shape_of(weights, "projector.net.3.weight", 2)[0];
  return found;
}

std::int64_t load_lewm(const LewmWeights& weights, VitEncoderImpl& encoder,
                       MlpProjectorImpl& projector) {
  std::map<std::string, at::Tensor> targets = targets_of(encoder, projector);
  check_strictly(weights, targets);
  at::NoGradGuard no_grad;
  std::int64_t not_a_number = 0;
  for (auto& [name, target] : targets) {
    target.copy_(weights.tensors.at(name));
    if (!target.is_floating_point()) continue;
    const std::int64_t count = at::isnan(target).sum().item<std::int64_t>();
    if (count > 0) spdlog::warn("{}: '{}' holds {} NaN", weights.source, name, count);
    not_a_number += count;
  }
  if (not_a_number > 0) {
    spdlog::warn("{}: {} weights are NaN; the embeddings will be too", weights.source,
                 not_a_number);
  }
  return not_a_number;
}

}  // namespace roboimi::lewm_vit_backbone
