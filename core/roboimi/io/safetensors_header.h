// A parser for the JSON header of a safetensors file that checks it against the size of the data.
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace roboimi {

// What to do with a tensor whose dtype libtorch does not have.
enum class UnknownDtype { kRefuse, kSkip };

struct SafetensorsEntry {
  c10::ScalarType dtype = c10::kFloat;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0, end = 0;  // bytes, relative to the end of the header
  std::string unknown_dtype = {};    // name of a dtype that libtorch does not have, else empty
};

struct SafetensorsHeader {
  std::map<std::string, SafetensorsEntry> entries;
  std::map<std::string, std::string> metadata;
};

// Parses the header. It guarantees that the ranges cover [0, data_size) without gaps or overlaps,
// and that each has exactly the size of its shape (if the dtype is known). Memory and time are
// proportional to the length of `json`. Throws Error naming `path`.
SafetensorsHeader parse_safetensors_header(std::string_view json, std::uint64_t data_size,
                                           const std::filesystem::path& path,
                                           UnknownDtype unknown = UnknownDtype::kRefuse);

}  // namespace roboimi
