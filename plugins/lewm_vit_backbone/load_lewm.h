// Loading of LEWM's encoder and projector from any supported checkpoint file.
//
//   WeightSelection weights = select_lewm(file, "lewm.ckpt");       // entries, renamed to ours
//   LewmArchitecture architecture = infer_architecture(weights, std::nullopt);
//   load_lewm(weights, encoder, projector);                         // strict
//
// Supports any prefix (io/weight_selection.h), and encoder names of transformers 4.x and 5.x.
// Entries outside encoder. and projector. (predictor, action encoder, optimizer) are ignored.
#pragma once

#include <optional>
#include <string>

#include "modules/vit/vit.h"
#include "roboimi/io/weight_selection.h"

namespace roboimi::lewm_vit_backbone {

struct LewmArchitecture {
  vit::VitOptions vit;
  std::int64_t projector_hidden = 2048;
  std::int64_t output_dim = 192;
};

// The entries of encoder and projector, renamed to "encoder.layers.0...", "projector.net.0.weight".
// Throws Error if there is no encoder or projector, there are several, or two entries map to one
// name.
WeightSelection select_lewm(const CheckpointFile& file, const std::string& source);

// Infers width, depth, patch, image and projector sizes from the shapes. The number of heads cannot
// be inferred: it is `num_heads`, or width / 64 as in ViT. Throws Error if a tensor that determines
// a size is missing, or implies an impossible size or a model far larger than the file.
LewmArchitecture infer_architecture(const WeightSelection& weights,
                                    std::optional<std::int64_t> num_heads);

// Copies every parameter and buffer in place. An Error lists missing and unexpected names, wrong
// shapes and the attempted renaming, or weights that are not finite; nothing is written then.
void load_lewm(const WeightSelection& weights, vit::VitEncoderImpl& encoder,
               vit::MlpProjectorImpl& projector);

}  // namespace roboimi::lewm_vit_backbone
