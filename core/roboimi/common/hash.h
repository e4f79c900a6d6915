// SHA-256 of bytes, strings, tensors and files, for cache keys and fingerprints.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "roboimi/common/export.h"

namespace roboimi {

class ROBOIMI_EXPORT Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  Sha256& update(const void* data, std::size_t size);
  // Hashes the length, then the bytes, so that "ab","c" differs from "a","bc".
  Sha256& update_text(std::string_view text);
  // Hashes dtype, shape and contents, independent of strides and device.
  Sha256& update_tensor(const at::Tensor& tensor);
  // 64 hexadecimal digits. Call once.
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The hash of a file's contents.
ROBOIMI_EXPORT std::string sha256_file(const std::filesystem::path& path);

}  // namespace roboimi
