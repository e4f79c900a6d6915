#include "app/checkpoint_layouts.h"

#include "roboimi/io/transformers_names.h"

namespace roboimi::app {
namespace {

// The encoder is a ViTModel of the transformers library. Converts names of its version 5 to those
// of version 4.
std::string with_transformers4_names(const std::string& name) {
  const std::string encoder = "encoder.";
  if (!name.starts_with(encoder)) return name;
  return encoder + to_transformers4_name(name.substr(encoder.size()));
}

CheckpointLayout lewm_layout() {
  return {.name = "lewm",
          .weights = {
              .model = "a LEWM encoder",
              .expected = {"encoder.embeddings.cls_token", "encoder.embeddings.position_embeddings",
                           "encoder.embeddings.patch_embeddings.projection.weight",
                           "encoder.encoder.layer.0.attention.attention.query.weight",
                           "encoder.layernorm.weight", "projector.net.0.weight",
                           "projector.net.3.weight"},
              .parts = {"encoder.", "projector."},
              .rename = with_transformers4_names}};
}

}  // namespace

const std::vector<CheckpointLayout>& checkpoint_layouts() {
  static const std::vector<CheckpointLayout> all = {lewm_layout()};
  return all;
}

}  // namespace roboimi::app
