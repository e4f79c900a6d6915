// Weights from a file, by the public IMF head's parameter names.
#pragma once

#include <torch/nn/module.h>

#include <filesystem>
#include <string>
#include <vector>

namespace roboimi::imf_head {

// Copies every parameter of `module` from the file (any format of io/checkpoint_file.h). A prefix
// before `input_emb.weight` ("model.head.") is stripped, and names outside it are not looked at.
// `_dummy_variable` and `layerwise_*` are passed over; returns their names, and logs them.
// Error: a name missing, one too many, or a shape that differs.
std::vector<std::string> load_weights(torch::nn::Module& module, const std::filesystem::path& file);

}  // namespace roboimi::imf_head
