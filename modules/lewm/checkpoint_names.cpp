#include "modules/lewm/checkpoint_names.h"

#include "roboimi/io/transformers_names.h"

namespace roboimi::lewm {

std::string lewm_name(const std::string& name) {
  const std::string encoder = "encoder.";
  if (!name.starts_with(encoder)) return name;
  return encoder + to_transformers5_name(name.substr(encoder.size()));
}

WeightNames lewm_encoder_names() {
  WeightNames names{
      .model = "a LEWM encoder",
      .expected = {"encoder.embeddings.cls_token", "encoder.embeddings.position_embeddings",
                   "projector.net.1.running_mean", "projector.net.1.running_var"},
      .parts = {"encoder.", "projector."},
      .rename = lewm_name};
  for (const char* layer :
       {"encoder.embeddings.patch_embeddings.projection", "encoder.layers.0.layernorm_before",
        "encoder.layers.0.attention.q_proj", "encoder.layers.0.attention.k_proj",
        "encoder.layers.0.attention.v_proj", "encoder.layers.0.attention.o_proj",
        "encoder.layers.0.layernorm_after", "encoder.layers.0.mlp.fc1", "encoder.layers.0.mlp.fc2",
        "encoder.layernorm", "projector.net.0", "projector.net.1", "projector.net.3"}) {
    for (const char* part : {".weight", ".bias"})
      names.expected.push_back(std::string(layer) + part);
  }
  return names;
}

}  // namespace roboimi::lewm
