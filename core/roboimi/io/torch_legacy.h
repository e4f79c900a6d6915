// A reader for torch.save files from before PyTorch 1.6: several pickles in a row, followed by the
// tensors' storages. Torchvision's published weights have this format.
#pragma once

#include <filesystem>

#include "roboimi/io/pickle_graph.h"

namespace roboimi {

// Like read_torch_file() (torch_file.h). The format has no checksums, so changed weights are not
// detected. Throws Error for a damaged file, big-endian data, or a storage of an unknown type (with
// conversion instructions).
PickleGraph read_legacy_torch_file(const std::filesystem::path& path);

}  // namespace roboimi
