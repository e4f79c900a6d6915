// LEWM's weights out of any file that holds them.
//
//   WeightSelection weights = select_lewm(file, "lewm.ckpt");       // which entries, named as ours
//   LewmArchitecture architecture = infer_architecture(weights, std::nullopt);
//   load_lewm(weights, encoder, projector);                         // strict
//
// Understood: any prefix (io/weight_selection.h), and encoder names of transformers 4.x and 5.x.
// Entries outside encoder. and projector. (predictor, action encoder, optimizer) are left alone.
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

// "encoder.layers.0...", "projector.net.0.weight". Error when nothing of an encoder or a projector
// is there, there are several, or two entries claim one name.
WeightSelection select_lewm(const CheckpointFile& file, const std::string& source);

// Width, depth, patch, image and projector sizes from the shapes. Heads cannot be seen in them:
// `num_heads`, or width / 64 as ViT has it. Error when a tensor that tells a size is missing, tells
// an impossible one, or tells of a model far larger than the file.
LewmArchitecture infer_architecture(const WeightSelection& weights,
                                    std::optional<std::int64_t> num_heads);

// Copies every parameter and buffer in place. Error that lists missing, unexpected and misshapen
// names and the renaming tried, or weights that are not finite; nothing is written then.
void load_lewm(const WeightSelection& weights, vit::VitEncoderImpl& encoder,
               vit::MlpProjectorImpl& projector);

}  // namespace roboimi::lewm_vit_backbone
