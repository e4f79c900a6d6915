// A world model's weights out of any file that holds them: one of this project's checkpoints, or
// LeWorldModel's released ones (prefixes and both namings of transformers: modules/lewm).
#pragma once

#include <torch/nn/module.h>

#include <filesystem>
#include <string>

namespace roboimi::lewm_world_model {

// Fills encoder, predictor, action_encoder, projector and pred_proj, all of them and in place.
// Other entries of the file (an optimiser, statistics of other actions) are left alone. Error that
// lists missing, unexpected and misshapen names; nothing is written then.
// `state_dict`: read_checkpoint_file()'s.
void load_checkpoint(torch::nn::Module& model, const std::filesystem::path& path,
                     const std::string& state_dict = "");

}  // namespace roboimi::lewm_world_model
