// What a file is, by its first bytes: a file of weights, or something else with the way out.
#pragma once

#include <filesystem>
#include <string>

namespace roboimi {

enum class WeightFileFormat {
  kSafetensors,
  kTorchZip,     // of torch.save
  kTorchLegacy,  // of torch.save before PyTorch 1.6
};

// Error for everything else: names the format (an HTML page, a Git LFS pointer, a tar archive, ...)
// and says how to get weights that can be read.
WeightFileFormat weight_file_format(const std::filesystem::path& path);

// The Error for a file that is not one of weights. `next` may be empty.
[[noreturn]] void refuse_weight_file(const std::filesystem::path& path, const std::string& found,
                                     const std::string& next);

// A Python statement that saves the file's contents again as `converted.pt`.
std::string convert_statement(const std::filesystem::path& path, bool weights_only);

}  // namespace roboimi
