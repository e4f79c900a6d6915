// Detection of a weight file's format from its first bytes.
#pragma once

#include <filesystem>
#include <string>

namespace roboimi {

enum class WeightFileFormat {
  kSafetensors,
  kTorchZip,     // torch.save
  kTorchLegacy,  // torch.save before PyTorch 1.6
};

// Throws Error for any other format. The message names it (a web page, a Git LFS pointer, a tar
// archive, ...) and how to get readable weights.
WeightFileFormat weight_file_format(const std::filesystem::path& path);

// Throws the Error for a file that is not a readable weight file. `next` may be empty.
[[noreturn]] void refuse_weight_file(const std::filesystem::path& path, const std::string& found,
                                     const std::string& next);

// A Python statement that loads the file and saves its contents as `converted.pt`.
std::string convert_statement(const std::filesystem::path& path, bool weights_only);

}  // namespace roboimi
