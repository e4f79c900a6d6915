// Tells a TorchScript archive from what is often taken for one, before libtorch opens the file.
//
//   check_archive("encoder.pt");   // Error for a state_dict, a pickle, a .pt2, a safetensors file
//
// libtorch's own reader takes a damaged weight as it is and trusts the sizes that an archive
// claims. This one compares them with the file, and every entry with its CRC. The program inside is
// not judged: running it is what the file is for.
#pragma once

#include <filesystem>
#include <string>

namespace roboimi::torchscript_backbone {

// The way to a file that fits, for errors.
extern const char* const kHowToExport;

// Error: no such file, a folder, a damaged archive, another kind of file; each says how to export.
void check_archive(const std::filesystem::path& file);

}  // namespace roboimi::torchscript_backbone
