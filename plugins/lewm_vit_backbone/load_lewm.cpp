#include "plugins/lewm_vit_backbone/load_lewm.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/nn/module.h>

#include "modules/lewm/checkpoint_names.h"
#include "roboimi/common/error.h"
#include "roboimi/io/foreign_weights.h"
#include "roboimi/io/tensor_map.h"

namespace roboimi::lewm_vit_backbone {
namespace {

at::IntArrayRef shape_of(const WeightSelection& weights, const std::string& name,
                         std::size_t rank) {
  const auto found = weights.tensors.find(name);
  if (found == weights.tensors.end()) {
    throw Error({.what = fmt::format("missing '{}', which determines the architecture", name),
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
  if (found->second.numel() == 0) {
    throw Error({.what = fmt::format("'{}' is empty", weights.names.at(name)),
                 .where = weights.source,
                 .expected = "sizes of at least 1",
                 .found = c10::str(found->second.sizes())});
  }
  return found->second.sizes();
}

// Every parameter and buffer that the file must contain.
TensorMap targets_of(const vit::VitEncoderImpl& encoder, const vit::MlpProjectorImpl& projector) {
  TensorMap targets;
  auto add = [&](const std::string& prefix, const torch::nn::Module& module) {
    for (const auto& [name, tensor] : tensors_of(module)) targets[prefix + name] = tensor;
  };
  add("encoder.", encoder);
  add("projector.", projector);
  return targets;
}

}  // namespace

WeightSelection select_lewm(const CheckpointFile& file, const std::string& source) {
  return select_weights(file, lewm::lewm_encoder_names(), source);
}

namespace {

// The side g of the patch grid, from g x g patch positions and one for the class token.
std::int64_t grid_of(const WeightSelection& weights, const std::string& name) {
  const std::int64_t count = shape_of(weights, name, 3)[1];
  const auto grid = static_cast<std::int64_t>(
      std::llround(std::sqrt(double(std::max<std::int64_t>(count, 1)) - 1)));
  if (count >= 2 && grid * grid + 1 == count) return grid;
  throw Error(
      {.what = fmt::format("'{}' does not belong to a square image", weights.names.at(name)),
       .where = weights.source,
       .expected = "1 + g * g positions",
       .found = std::to_string(count)});
}

// The approximate number of parameters of a model with these sizes.
double num_parameters(const LewmArchitecture& sizes) {
  const auto width = static_cast<double>(sizes.vit.hidden_size);
  const auto inner = static_cast<double>(sizes.vit.intermediate_size);
  const auto patch = static_cast<double>(sizes.vit.patch_size);
  const auto side = static_cast<double>(sizes.vit.image_size) / patch;
  return width * (side * side + 3 * patch * patch) +
         static_cast<double>(sizes.vit.num_layers) * width * (4 * width + 2 * inner) +
         static_cast<double>(sizes.projector_hidden) *
             (width + static_cast<double>(sizes.output_dim));
}

// The model is allocated before the shapes of all tensors are checked. This keeps a file with few
// tensors that imply enormous sizes from allocating that memory.
void check_plausible(const WeightSelection& weights, const LewmArchitecture& sizes) {
  constexpr double kAlwaysAllowed = 5e7;
  double given = 0;
  for (const auto& [name, tensor] : weights.tensors) given += static_cast<double>(tensor.numel());
  const double claimed = num_parameters(sizes);
  if (claimed <= 2 * given + kAlwaysAllowed) return;
  throw Error({.what = "the shapes of the weights contradict each other",
               .where = weights.source,
               .expected = fmt::format("{:.3g} values, for width {}, {} blocks, MLP {}, patch {}, "
                                       "projector {}",
                                       claimed, sizes.vit.hidden_size, sizes.vit.num_layers,
                                       sizes.vit.intermediate_size, sizes.vit.patch_size,
                                       sizes.projector_hidden),
               .found = fmt::format("{:.3g}", given),
               .next = "run `roboimi checkpoint inspect` on the file"});
}

}  // namespace

LewmArchitecture infer_architecture(const WeightSelection& weights,
                                    std::optional<std::int64_t> num_heads) {
  // Encoder.
  LewmArchitecture found;
  const auto patch = shape_of(weights, "encoder.embeddings.patch_embeddings.projection.weight", 4);
  found.vit.hidden_size = patch[0];
  found.vit.patch_size = patch[2];
  found.vit.image_size =
      grid_of(weights, "encoder.embeddings.position_embeddings") * found.vit.patch_size;
  found.vit.intermediate_size = shape_of(weights, "encoder.layers.0.mlp.fc1.weight", 2)[0];
  found.vit.num_layers = 0;
  while (weights.tensors.contains(
      fmt::format("encoder.layers.{}.layernorm_before.weight", found.vit.num_layers))) {
    ++found.vit.num_layers;
  }
  found.vit.num_heads = num_heads.value_or(std::max<std::int64_t>(1, found.vit.hidden_size / 64));

  // Projector.
  found.projector_hidden = shape_of(weights, "projector.net.0.weight", 2)[0];
  found.output_dim = shape_of(weights, "projector.net.3.weight", 2)[0];
  check_plausible(weights, found);
  return found;
}

void load_lewm(const WeightSelection& weights, vit::VitEncoderImpl& encoder,
               vit::MlpProjectorImpl& projector) {
  load_foreign_weights(
      targets_of(encoder, projector), weights,
      {.model = "LEWM's encoder and projector",
       .next =
           fmt::format("tried removing prefixes and wrappers, and converting transformers 4.x "
                       "names to 5.x ({} renamed); run `roboimi checkpoint inspect` on the file",
                       weights.renamed)});
}

}  // namespace roboimi::lewm_vit_backbone
