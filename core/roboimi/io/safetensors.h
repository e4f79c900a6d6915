// Reading and writing of the safetensors format: a JSON header with names, dtypes and offsets,
// followed by raw little-endian data.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <string>

#include "roboimi/common/export.h"

namespace roboimi {

class Sha256;

struct TensorFile {
  std::map<std::string, at::Tensor> tensors;
  std::map<std::string, std::string> metadata;
};

// Reads a file. Tensors are views of the memory-mapped file, which they keep alive: clone() before
// writing to one. (Tensors that another program did not align to their element size are copies.)
// Throws Error for another format, wrong lengths, overlapping or missing ranges, or unknown dtypes.
ROBOIMI_EXPORT TensorFile read_safetensors(const std::filesystem::path& path);

// Writes a file atomically (common/files.h). The same contents give the same bytes. Tensors may be
// strided and on any device. The format allows no gaps, so tensors whose size is a multiple of 64
// bytes come first, 64-byte aligned; the others follow, aligned to their element size. `sum` may be
// nullptr; otherwise it is updated with the bytes while they are written, so that the file need not
// be read again for its hash.
ROBOIMI_EXPORT void write_safetensors(const std::filesystem::path& path,
                                      const std::map<std::string, at::Tensor>& tensors,
                                      const std::map<std::string, std::string>& metadata = {},
                                      Sha256* sum = nullptr);

}  // namespace roboimi
