// Weights from a file, by the public IMF head's parameter names.
#pragma once

#include <torch/nn/module.h>

#include <filesystem>
#include <string>
#include <vector>

namespace roboimi::imf_head {

// Copies every parameter of `module` from the file (any format of io/checkpoint_file.h, whose
// `state_dict` chooses among several sets of weights). A prefix before the names ("model.head.") is
// found, and names outside it are not looked at. `_dummy_variable` and `layerwise_*` are passed
// over; returns their names, and logs them.
// Error: a name missing, one too many, a shape that differs, or a weight that is not finite.
std::vector<std::string> load_weights(torch::nn::Module& module, const std::filesystem::path& file,
                                      const std::string& state_dict = "");

}  // namespace roboimi::imf_head
