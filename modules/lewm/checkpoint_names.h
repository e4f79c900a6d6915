// The names of LEWM's parameters in the various kinds of weight files.
//
//   lewm_name("encoder.encoder.layer.0.output.dense.bias")   // "encoder.layers.0.mlp.fc2.bias"
//   select_weights(file, lewm_encoder_names(), "lewm.ckpt")  // io/weight_selection.h
#pragma once

#include <string>

#include "roboimi/io/weight_selection.h"

namespace roboimi::lewm {

// Renames an encoder's parameter to the names of transformers 5.x (vit.h). Other names are returned
// unchanged.
std::string lewm_name(const std::string& name);

// The names of the encoder and its projector, independent of their sizes.
WeightNames lewm_encoder_names();

}  // namespace roboimi::lewm
