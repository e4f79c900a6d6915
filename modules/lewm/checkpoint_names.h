// The names that LEWM's parts have in all the files people have of them.
//
//   lewm_name("encoder.encoder.layer.0.output.dense.bias")   // "encoder.layers.0.mlp.fc2.bias"
//   select_weights(file, lewm_encoder_names(), "lewm.ckpt")  // io/weight_selection.h
#pragma once

#include <string>

#include "roboimi/io/weight_selection.h"

namespace roboimi::lewm {

// Gives an encoder's parameters the names of transformers 5.x (vit.h). Any other name stays.
std::string lewm_name(const std::string& name);

// Of the encoder and its projector, whatever their sizes.
WeightNames lewm_encoder_names();

}  // namespace roboimi::lewm
