// Conversion between parquet::Values and the JSON files of tests/reference/parquet_tables.py.
#pragma once

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "roboimi/io/parquet/reader.h"

namespace roboimi::parquet {

using Json = nlohmann::json;

inline Json read_json(const std::filesystem::path& file) {
  std::ifstream in(file);
  return Json::parse(in);
}

inline std::string from_latin1(const std::string& bytes) {
  std::string text;
  for (const char c : bytes) {
    const auto code = static_cast<unsigned char>(c);
    if (code >= 0x80) text += static_cast<char>(0xc0 | code >> 6);
    text += static_cast<char>(code < 0x80 ? code : 0x80 | (code & 0x3f));
  }
  return text;
}

inline std::string to_latin1(const std::string& text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto code = static_cast<unsigned char>(text[i]);
    bytes += static_cast<char>(
        code < 0x80 ? code : (code & 3) << 6 | (static_cast<unsigned char>(text[++i]) & 0x3f));
  }
  return bytes;
}

template <typename T>
Json item_json(const T& item) {
  if constexpr (std::is_same_v<T, std::string>) {
    return from_latin1(item);
  } else if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(item)) return "nan";
    if (std::isinf(item)) return item > 0 ? "inf" : "-inf";
    return static_cast<double>(item);
  } else {
    return item;
  }
}

template <typename T>
T item_of(const Json& json) {
  if constexpr (std::is_same_v<T, std::string>) {
    return to_latin1(json.get<std::string>());
  } else {
    if (!json.is_string()) return json.get<T>();
    return static_cast<T>(std::strtod(json.get<std::string>().c_str(), nullptr));
  }
}

inline Json values_json(const Column& column, const Values& values) {
  Json items = Json::array();
  std::visit(
      [&](const auto& all) {
        for (const auto& item : all) items.push_back(item_json(item));
      },
      values.values);
  return {{"type", column.type_name},          {"is_text", column.is_text},
          {"is_unsigned", column.is_unsigned}, {"values", items},
          {"offsets", values.offsets},         {"is_null", values.is_null},
          {"null_rows", values.null_rows}};
}

// All columns, as parquet_tables.py writes them.
inline Json table_json(const Reader& table) {
  Json columns = Json::object();
  for (const Column& column : table.columns()) {
    columns[column.name] = values_json(column, table.read(column.name, 0, table.num_rows()));
  }
  return {{"rows", table.num_rows()}, {"columns", columns}};
}

}  // namespace roboimi::parquet
