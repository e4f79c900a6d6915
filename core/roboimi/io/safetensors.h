// The safetensors format: a JSON header with names, dtypes and offsets, then raw little-endian
// data.
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

// Tensors are views of the memory-mapped file, which they keep alive: clone() before writing to
// one. (Those that a foreign writer placed off their element size are copies.)
// Error: not the format, lengths that lie, overlapping or missing ranges, unknown dtype.
ROBOIMI_EXPORT TensorFile read_safetensors(const std::filesystem::path& path);

// Atomic (common/files.h), and the same bytes for the same contents. Tensors may be strided or on
// any device. The format allows no holes, so tensors of a multiple of 64 bytes come first, 64-byte
// aligned; the others follow, aligned to their element size. `sum`, where given, is updated with
// the file's bytes while they are written, so that the file need not be read for its sum.
ROBOIMI_EXPORT void write_safetensors(const std::filesystem::path& path,
                                      const std::map<std::string, at::Tensor>& tensors,
                                      const std::map<std::string, std::string>& metadata = {},
                                      Sha256* sum = nullptr);

}  // namespace roboimi
