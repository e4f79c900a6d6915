// The safetensors format: a JSON header with names, dtypes and offsets, then raw little-endian
// data.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <string>

#include "roboimi/common/export.h"

namespace roboimi {

struct TensorFile {
  std::map<std::string, at::Tensor> tensors;
  std::map<std::string, std::string> metadata;
};

// Tensors are views of the memory-mapped file (kept alive by them): clone() before writing to one.
// Error: not the format, lengths that lie, overlapping or missing ranges, unknown dtype.
ROBOIMI_EXPORT TensorFile read_safetensors(const std::filesystem::path& path);

// Atomic (common/files.h). Data 64-byte aligned; tensors may be strided or on any device.
ROBOIMI_EXPORT void write_safetensors(const std::filesystem::path& path,
                                      const std::map<std::string, at::Tensor>& tensors,
                                      const std::map<std::string, std::string>& metadata = {});

}  // namespace roboimi
