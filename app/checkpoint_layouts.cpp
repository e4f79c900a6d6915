#include "app/checkpoint_layouts.h"

namespace roboimi::app {
namespace {

// The encoder is a ViTModel of transformers; names of version 5 become those of version 4.
KeyLayout lewm_layout() {
  KeyLayout layout = {
      .name = "lewm",
      .prefixes = {"model.", "module.", "_orig_mod."},
      .kept = {"encoder.", "projector."},
      .required = {"encoder.embeddings.cls_token", "encoder.embeddings.position_embeddings",
                   "encoder.embeddings.patch_embeddings.projection.weight",
                   "encoder.encoder.layer.0.attention.attention.query.weight",
                   "encoder.layernorm.weight", "projector.net.0.weight", "projector.net.3.weight"}};
  const std::vector<std::pair<std::string, std::string>> parts = {
      {"attention.q_proj", "attention.attention.query"},
      {"attention.k_proj", "attention.attention.key"},
      {"attention.v_proj", "attention.attention.value"},
      {"attention.o_proj", "attention.output.dense"},
      {"mlp.fc1", "intermediate.dense"},
      {"mlp.fc2", "output.dense"},
      {"layernorm_before", "layernorm_before"},
      {"layernorm_after", "layernorm_after"}};
  for (const auto& [new_part, old_part] : parts) {
    layout.renamings.emplace_back("encoder.layers.*." + new_part + ".*",
                                  "encoder.encoder.layer.*." + old_part + ".*");
  }
  return layout;
}

}  // namespace

const std::vector<KeyLayout>& checkpoint_layouts() {
  static const std::vector<KeyLayout> all = {lewm_layout()};
  return all;
}

}  // namespace roboimi::app
