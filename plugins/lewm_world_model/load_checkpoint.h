// Loading of a world model's weights, from a roboimi checkpoint or from LeWorldModel's released
// files (prefixes and both namings of transformers: modules/lewm).
#pragma once

#include <torch/nn/module.h>

#include <filesystem>
#include <string>

namespace roboimi::lewm_world_model {

// Fills encoder, predictor, action_encoder, projector and pred_proj in place. Other entries of the
// file (an optimizer, statistics of other actions) are ignored. An Error lists missing and
// unexpected names and wrong shapes; nothing is written then. `state_dict` is passed to
// read_checkpoint_file().
void load_checkpoint(torch::nn::Module& model, const std::filesystem::path& path,
                     const std::string& state_dict = "");

}  // namespace roboimi::lewm_world_model
