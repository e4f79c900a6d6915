// Checks that a file is an undamaged TorchScript archive, before libtorch opens it.
//
//   check_archive("encoder.pt");   // Error for a state_dict, a pickle, a .pt2, a safetensors file
//
// libtorch's own reader accepts damaged weights and trusts the sizes in the archive. This check
// compares the sizes with the file, and every entry with its CRC. It does not examine the program
// inside.
#pragma once

#include <filesystem>
#include <string>

namespace roboimi::torchscript_backbone {

// How to export a suitable file, for errors.
extern const char* const kHowToExport;

// Throws Error for a missing file, a folder, a damaged archive or another format.
void check_archive(const std::filesystem::path& file);

}  // namespace roboimi::torchscript_backbone
