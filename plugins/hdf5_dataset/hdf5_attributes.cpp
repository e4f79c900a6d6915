// Hdf5File: reading of attributes. Recorders write them in many ways, so a value that cannot be
// parsed is reported, and does not make the episode unusable.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <string_view>

#include "plugins/hdf5_dataset/hdf5_file.h"

namespace roboimi::hdf5_dataset {
namespace {

constexpr double kTwoTo64 = 18446744073709551616.0;
constexpr std::size_t kMostTextBytes = 1 << 20;  // of a list of strings

std::string read_string(hid_t attribute, hid_t type, std::size_t size) {
  if (H5Tis_variable_str(type) > 0) {
    char* text = nullptr;
    if (H5Aread(attribute, type, &text) < 0 || text == nullptr) return "";
    const std::string copy = text;
    H5free_memory(text);
    return copy;
  }
  std::string text(size, '\0');
  if (H5Aread(attribute, type, text.data()) < 0) return "";
  return text.c_str();  // without the padding
}

// Trims surrounding whitespace and converts to lower case.
std::string plain(const std::string& text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return "";
  std::string word = text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
  std::transform(word.begin(), word.end(), word.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return word;
}

std::optional<bool> yes_or_no(const std::string& word) {
  static constexpr std::array<std::string_view, 4> kYes = {"true", "yes", "on", "t"};
  static constexpr std::array<std::string_view, 4> kNo = {"false", "no", "off", "f"};
  if (std::find(kYes.begin(), kYes.end(), word) != kYes.end()) return true;
  if (std::find(kNo.begin(), kNo.end(), word) != kNo.end()) return false;
  return std::nullopt;
}

template <typename Number>
std::optional<Number> parsed(const std::string& word) {
  Number number{};
  const char* const end = word.data() + word.size();
  const auto result = std::from_chars(word.data(), end, number);
  if (word.empty() || result.ec != std::errc() || result.ptr != end) return std::nullopt;
  return number;
}

std::optional<double> as_number(const AttributeValue& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) return static_cast<double>(*number);
  if (const auto* number = std::get_if<std::uint64_t>(&value)) return static_cast<double>(*number);
  if (const auto* number = std::get_if<double>(&value)) return *number;
  if (const auto* text = std::get_if<std::string>(&value)) return parsed<double>(plain(*text));
  return std::nullopt;
}

std::optional<std::uint64_t> as_integer(const AttributeValue& value) {
  if (const auto* number = std::get_if<std::uint64_t>(&value)) return *number;
  if (const auto* text = std::get_if<std::string>(&value)) {
    if (const auto number = parsed<std::uint64_t>(plain(*text))) return number;
  }
  const auto number = as_number(value);
  if (!number || *number < 0.0 || *number >= kTwoTo64 || std::trunc(*number) != *number) {
    return std::nullopt;
  }
  return static_cast<std::uint64_t>(*number);
}

std::optional<bool> as_boolean(const AttributeValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) {
    if (const auto answer = yes_or_no(plain(*text))) return answer;
  }
  const auto number = as_number(value);
  if (!number || std::isnan(*number)) return std::nullopt;
  return *number != 0.0;
}

std::string describe(const AttributeValue& value) {
  if (const auto* other = std::get_if<OtherAttribute>(&value)) return other->description;
  if (const auto* text = std::get_if<std::string>(&value)) return fmt::format("'{}'", *text);
  if (const auto* number = std::get_if<std::uint64_t>(&value)) return std::to_string(*number);
  const auto number = as_number(value);
  return number ? fmt::format("{}", *number) : "nothing";
}

template <typename Value>
Attribute<Value> parsed_attribute(const AttributeValue& stored, std::optional<Value> parsed) {
  const bool is_absent = std::holds_alternative<std::monostate>(stored);
  const std::string unparsed = is_absent || parsed ? "" : describe(stored);
  return {.value = std::move(parsed), .unparsed = unparsed};
}

}  // namespace

AttributeValue Hdf5File::attribute(const std::string& name, const std::string& object) const {
  if (object != "/" && !has(object)) return {};
  if (H5Aexists_by_name(file_.get(), object.c_str(), name.c_str(), H5P_DEFAULT) <= 0) return {};
  const Handle attribute(
      H5Aopen_by_name(file_.get(), object.c_str(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT));
  if (!attribute) return OtherAttribute{"an attribute that cannot be opened"};
  const Handle space(H5Aget_space(attribute.get()));
  const Handle type(H5Aget_type(attribute.get()));
  const ElementType element = element_type(type.get());
  // Reading a list would write past the one value that there is room for.
  if (const hssize_t count = H5Sget_simple_extent_npoints(space.get()); count != 1) {
    return OtherAttribute{fmt::format("{} values of type {}", count, element.name)};
  }

  // One value, by type.
  const H5T_class_t kind = H5Tget_class(type.get());
  if (kind == H5T_STRING) return read_string(attribute.get(), type.get(), element.size);
  if (kind == H5T_FLOAT) {
    double value = 0.0;
    if (H5Aread(attribute.get(), H5T_NATIVE_DOUBLE, &value) >= 0) return value;
  }
  if (kind == H5T_INTEGER && H5Tget_sign(type.get()) == H5T_SGN_NONE) {
    std::uint64_t value = 0;
    if (H5Aread(attribute.get(), H5T_NATIVE_UINT64, &value) >= 0) return value;
  }
  // h5py's booleans are an enumeration.
  if (kind == H5T_INTEGER || kind == H5T_ENUM) {
    std::int64_t value = 0;
    if (H5Aread(attribute.get(), H5T_NATIVE_INT64, &value) >= 0) return value;
  }
  return OtherAttribute{element.name};
}

Attribute<std::uint64_t> Hdf5File::integer_attribute(const std::string& name,
                                                     const std::string& object) const {
  const Hdf5Lock lock;
  const AttributeValue value = attribute(name, object);
  return parsed_attribute(value, as_integer(value));
}

Attribute<double> Hdf5File::number_attribute(const std::string& name,
                                             const std::string& object) const {
  const Hdf5Lock lock;
  const AttributeValue value = attribute(name, object);
  return parsed_attribute(value, as_number(value));
}

Attribute<bool> Hdf5File::boolean_attribute(const std::string& name,
                                            const std::string& object) const {
  const Hdf5Lock lock;
  const AttributeValue value = attribute(name, object);
  return parsed_attribute(value, as_boolean(value));
}

Attribute<std::string> Hdf5File::text_attribute(const std::string& name,
                                                const std::string& object) const {
  const Hdf5Lock lock;
  const AttributeValue value = attribute(name, object);
  std::optional<std::string> text;
  if (const auto* found = std::get_if<std::string>(&value)) text = *found;
  return parsed_attribute(value, std::move(text));
}

Attribute<std::vector<std::string>> Hdf5File::texts_attribute(const std::string& name,
                                                              const std::string& object) const {
  const Hdf5Lock lock;
  if (!has(object) ||
      H5Aexists_by_name(file_.get(), object.c_str(), name.c_str(), H5P_DEFAULT) <= 0) {
    return {};
  }
  const Handle attribute(
      H5Aopen_by_name(file_.get(), object.c_str(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT));
  if (!attribute) return {.value = {}, .unparsed = "an attribute that cannot be opened"};
  const Handle space(H5Aget_space(attribute.get()));
  const Handle type(H5Aget_type(attribute.get()));
  const ElementType element = element_type(type.get());
  const hssize_t stored = H5Sget_simple_extent_npoints(space.get());
  const std::string found = fmt::format("{} values of type {}", stored, element.name);
  const auto count = static_cast<std::size_t>(std::max<hssize_t>(stored, 0));
  if (H5Tget_class(type.get()) != H5T_STRING || count == 0 ||
      element.size > kMostTextBytes / std::max<std::size_t>(count, 1)) {
    return {.value = {}, .unparsed = found};
  }

  // Strings of variable length: HDF5 allocates each; they are copied, then freed.
  std::vector<std::string> texts;
  if (H5Tis_variable_str(type.get()) > 0) {
    std::vector<char*> rows(count, nullptr);
    if (H5Aread(attribute.get(), type.get(), rows.data()) < 0) {
      return {.value = {}, .unparsed = found};
    }
    for (const char* row : rows) texts.emplace_back(row == nullptr ? "" : row);
    H5Dvlen_reclaim(type.get(), space.get(), H5P_DEFAULT, rows.data());
    return {.value = std::move(texts), .unparsed = ""};
  }

  // Strings of fixed length, up to their padding with zeros.
  std::string bytes(count * element.size, '\0');
  if (H5Aread(attribute.get(), type.get(), bytes.data()) < 0) {
    return {.value = {}, .unparsed = found};
  }
  for (std::size_t i = 0; i < count; ++i) {
    texts.emplace_back(bytes.substr(i * element.size, element.size).c_str());
  }
  return {.value = std::move(texts), .unparsed = ""};
}

}  // namespace roboimi::hdf5_dataset
