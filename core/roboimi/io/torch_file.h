// A file of torch.save: a zip archive of a pickle and of the tensors' storages.
#pragma once

#include <filesystem>

#include "roboimi/common/export.h"
#include "roboimi/io/pickle_graph.h"

namespace roboimi {

// Everything the file holds; storages are read into memory with their CRC verified, each once.
// Error: damaged (zip_archive.h, unpickler.h), TorchScript, NumPy or another archive, the old
// format from before PyTorch 1.6 (says how to convert), big-endian.
ROBOIMI_EXPORT PickleGraph read_torch_file(const std::filesystem::path& path);

}  // namespace roboimi
