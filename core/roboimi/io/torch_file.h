// A reader for torch.save files: zip archives of a pickle and the tensors' storages.
#pragma once

#include <filesystem>

#include "roboimi/common/export.h"
#include "roboimi/io/pickle_graph.h"

namespace roboimi {

// Reads the file's contents. Each storage is read into memory once, and its CRC is verified. Throws
// Error for a damaged file (zip_archive.h, unpickler.h), for TorchScript, NumPy and other archives,
// and for big-endian data. For files from before PyTorch 1.6 see torch_legacy.h.
ROBOIMI_EXPORT PickleGraph read_torch_file(const std::filesystem::path& path);

}  // namespace roboimi
