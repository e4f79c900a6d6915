// Loading of an IMF head's weights from a file with the public IMF head's parameter names.
#pragma once

#include <torch/nn/module.h>

#include <filesystem>
#include <string>
#include <vector>

namespace roboimi::imf_head {

// Copies every parameter of `module` from the file (any format of io/checkpoint_file.h;
// `state_dict` selects one of several sets of weights). A name prefix ("model.head.") is detected,
// and names outside it are ignored. `_dummy_variable` and `layerwise_*` are ignored too; their
// names are logged and returned. Throws Error for a missing or unexpected name, a different shape,
// or a weight that is not finite.
std::vector<std::string> load_weights(torch::nn::Module& module, const std::filesystem::path& file,
                                      const std::string& state_dict = "");

}  // namespace roboimi::imf_head
