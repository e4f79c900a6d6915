#include "roboimi/io/dtype_names.h"

#include <utility>

#include "roboimi/common/error.h"

namespace roboimi {
namespace {

constexpr std::pair<std::string_view, c10::ScalarType> kNames[] = {
    {"BOOL", c10::kBool},
    {"U8", c10::kByte},
    {"I8", c10::kChar},
    {"U16", c10::kUInt16},
    {"I16", c10::kShort},
    {"U32", c10::kUInt32},
    {"I32", c10::kInt},
    {"U64", c10::kUInt64},
    {"I64", c10::kLong},
    {"F16", c10::kHalf},
    {"BF16", c10::kBFloat16},
    {"F32", c10::kFloat},
    {"F64", c10::kDouble},
    {"C64", c10::kComplexFloat},
    {"F8_E4M3", c10::kFloat8_e4m3fn},
    {"F8_E5M2", c10::kFloat8_e5m2},
    {"F8_E8M0", c10::kFloat8_e8m0fnu},
    {"F8_E4M3FNUZ", c10::kFloat8_e4m3fnuz},
    {"F8_E5M2FNUZ", c10::kFloat8_e5m2fnuz},
};

}  // namespace

std::optional<c10::ScalarType> dtype_from_name(std::string_view name) {
  for (const auto& [known, dtype] : kNames) {
    if (known == name) return dtype;
  }
  return std::nullopt;
}

std::string dtype_name(c10::ScalarType dtype) {
  for (const auto& [name, known] : kNames) {
    if (known == dtype) return std::string(name);
  }
  throw Error({.what = "safetensors does not support this dtype",
               .expected = "one of " + all_dtype_names(),
               .found = c10::toString(dtype)});
}

std::string all_dtype_names() {
  std::string all;
  for (const auto& [name, dtype] : kNames) {
    if (!all.empty()) all += ", ";
    all += name;
  }
  return all;
}

}  // namespace roboimi
