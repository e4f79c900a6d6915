// LEWM's weights out of any file that holds them.
//
//   LewmWeights weights = select_lewm(file.tensors, "lewm.ckpt");   // which entries, named as ours
//   LewmArchitecture architecture = infer_architecture(weights, std::nullopt);
//   load_lewm(weights, encoder, projector);                         // strict
//
// Understood: the prefixes `model.`, `module.`, `_orig_mod.`, none, or several of them; encoder
// names of transformers 4.x and 5.x. Entries outside encoder. and projector. (predictor, action
// encoder, optimiser) are counted and left alone.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <optional>
#include <string>

#include "modules/vit/vit.h"

namespace roboimi::lewm_vit_backbone {

struct LewmWeights {
  std::string source;                         // the file's name, for errors
  std::map<std::string, at::Tensor> tensors;  // "encoder.layers.0...", "projector.net.0.weight"
  std::map<std::string, std::string> names;   // the same keys -> the name in the file
  std::int64_t ignored = 0;                   // entries of other parts
  std::int64_t renamed = 0;                   // encoder entries that had a 4.x name
};

struct LewmArchitecture {
  VitOptions vit;
  std::int64_t projector_hidden = 2048;
  std::int64_t output_dim = 192;
};

// Error when nothing of an encoder or a projector is there, or two entries claim one name.
LewmWeights select_lewm(const std::map<std::string, at::Tensor>& tensors,
                        const std::string& source);

// Width, depth, patch, image and projector sizes from the shapes. Heads cannot be seen in them:
// `num_heads`, or width / 64 as ViT has it. Error when a tensor that tells a size is missing, tells
// an impossible one, or tells of a model far larger than the file.
LewmArchitecture infer_architecture(const LewmWeights& weights,
                                    std::optional<std::int64_t> num_heads);

// Copies every parameter and buffer in place. Error that lists missing, unexpected and misshapen
// names and the renaming tried; nothing is written then. Weights that are NaN or infinite are
// counted, warned of, and loaded. Returns how many there were.
std::int64_t load_lewm(const LewmWeights& weights, VitEncoderImpl& encoder,
                       MlpProjectorImpl& projector);

}  // namespace roboimi::lewm_vit_backbone
