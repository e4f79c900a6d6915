// The JSON header of a safetensors file, checked against the size of the data that follows it.
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
enum class UnknownDtype { kRefuse, kLeaveOut };

struct SafetensorsEntry {
  c10::ScalarType dtype = c10::kFloat;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0, end = 0;  // bytes, relative to the end of the header
  std::string unknown_dtype = {};    // its name, where libtorch has no such type
};

struct SafetensorsHeader {
  std::map<std::string, SafetensorsEntry> entries;
  std::map<std::string, std::string> metadata;
};

// After this every range lies in [0, data_size), they tile it without gap or overlap, and each is
// exactly shape * element size (where the dtype is known). Memory and time are proportional to the
// text. Error names `path`.
SafetensorsHeader parse_safetensors_header(std::string_view json, std::uint64_t data_size,
                                           const std::filesystem::path& path,
                                           UnknownDtype unknown = UnknownDtype::kRefuse);

}  // namespace roboimi
