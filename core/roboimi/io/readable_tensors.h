// A safetensors file of somebody else, which may hold types that libtorch does not have.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "roboimi/io/safetensors.h"

namespace roboimi {

struct ReadableTensors {
  TensorFile file;                                    // without those of unknown types
  std::map<std::string, std::string> unknown_dtypes;  // tensor -> its dtype ("F4")
};

// As read_safetensors(), but a tensor of an unknown dtype is left out and no Error.
ReadableTensors read_readable_tensors(const std::filesystem::path& path);

}  // namespace roboimi
