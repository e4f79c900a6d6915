// Reading of safetensors files that may contain dtypes that libtorch does not have.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "roboimi/io/safetensors.h"

namespace roboimi {

struct ReadableTensors {
  TensorFile file;                                    // without tensors of unknown dtypes
  std::map<std::string, std::string> unknown_dtypes;  // tensor -> its dtype ("F4")
};

// Like read_safetensors(), but skips tensors of an unknown dtype instead of throwing.
ReadableTensors read_readable_tensors(const std::filesystem::path& path);

}  // namespace roboimi
