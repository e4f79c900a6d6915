// A file of torch.save before PyTorch 1.6: several pickles one behind the other, then the tensors'
// storages. Torchvision's published weights are such files.
#pragma once

#include <filesystem>

#include "roboimi/io/pickle_graph.h"

namespace roboimi {

// As read_torch_file() (torch_file.h). The format has no sums: a flipped weight is not seen. Error:
// damaged, big-endian, a storage of a type whose size is not known (says how to convert).
PickleGraph read_legacy_torch_file(const std::filesystem::path& path);

}  // namespace roboimi
