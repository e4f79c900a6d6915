// The names that LEWM's parts have in all the files people have of them.
//
//   lewm_name("model.encoder.encoder.layer.0.output.dense.bias")   //
//   "encoder.layers.0.mlp.fc2.bias" lewm_name("module.predictor.pos_embedding") //
//   "predictor.pos_embedding"
#pragma once

#include <string>

namespace roboimi {

// Takes the prefixes `model.`, `module.`, `_orig_mod.` away, in any number, and gives an encoder's
// parameters the names of transformers 5.x (vit.h). Any other name stays.
std::string lewm_name(std::string name);

}  // namespace roboimi
