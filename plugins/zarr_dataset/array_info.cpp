#include "plugins/zarr_dataset/array_info.h"

#include <c10/core/ScalarType.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>

#include "roboimi/common/error.h"
#include "roboimi/common/json_text.h"
#include "roboimi/common/text.h"

namespace roboimi::zarr_dataset {
namespace {

using nlohmann::json;

constexpr std::uint64_t kMaxDescription = 1 << 20;  // bytes of a .zarray
constexpr std::size_t kMaxRank = 8;

struct Dtype {
  at::ScalarType type;
  const char* name;
};

// By the letters after the byte order in NumPy's notation. Booleans are bytes.
const std::map<std::string, Dtype>& dtypes() {
  static const std::map<std::string, Dtype> known = {
      {"b1", {at::kByte, "bool"}},     {"u1", {at::kByte, "uint8"}},
      {"i1", {at::kChar, "int8"}},     {"u2", {at::kUInt16, "uint16"}},
      {"i2", {at::kShort, "int16"}},   {"u4", {at::kUInt32, "uint32"}},
      {"i4", {at::kInt, "int32"}},     {"u8", {at::kUInt64, "uint64"}},
      {"i8", {at::kLong, "int64"}},    {"f2", {at::kHalf, "float16"}},
      {"f4", {at::kFloat, "float32"}}, {"f8", {at::kDouble, "float64"}}};
  return known;
}

// Reads the members of one .zarray.
class InfoReader {
 public:
  InfoReader(const Store& store, const std::string& name)
      : name_(name), where_(store.where(name + "/.zarray")) {
    const auto bytes = store.read(name + "/.zarray", kMaxDescription);
    if (!bytes && store.has(name + "/zarr.json")) refuse_format("zarr.json, as in format 3");
    if (!bytes) fail_no_description();
    description_ = json::parse(*bytes, is_shallow<json>, /*allow_exceptions=*/false);
    if (!description_.is_object()) {
      fail("the description of array '" + name + "' is damaged", "a JSON object", "");
    }
  }

  ArrayInfo read() const {
    const json& format = at("zarr_format");
    if (format != 2) refuse_format("format " + shown(format));
    ArrayInfo info{.name = name_};
    info.shape = sizes("shape", 0);
    info.chunks = sizes("chunks", 1);
    if (info.shape.empty() || info.chunks.size() != info.shape.size()) {
      fail("array '" + name_ + "' has no valid chunks", "one chunk size per dimension",
           fmt::format("shape {}, chunks {}", shown(at("shape")), shown(at("chunks"))));
    }
    read_dtype(info);
    check_bytes(info);
    read_order(info);
    read_codecs(info);
    info.fill_value = fill_value();
    return info;
  }

 private:
  [[noreturn]] void fail(const std::string& what, const std::string& expected,
                         const std::string& found) const {
    throw Error({.what = what, .where = where_, .expected = expected, .found = found});
  }

  [[noreturn]] void fail_no_description() const {
    throw Error({.what = "array '" + name_ + "' has no description",
                 .where = where_,
                 .expected = "a file .zarray",
                 .next = "copy the dataset again with its hidden files"});
  }

  [[noreturn]] void refuse_format(const std::string& found) const {
    throw Error({.what = "array '" + name_ + "' has an unsupported zarr format",
                 .where = where_,
                 .expected = "format 2",
                 .found = found,
                 .next = "save the dataset again with zarr_format=2"});
  }

  static std::string shown(const json& value) {
    return printable(value.dump(-1, ' ', false, json::error_handler_t::replace), 60);
  }

  const json& at(const char* key) const {
    const auto found = description_.find(key);
    if (found == description_.end()) {
      fail("the description of array '" + name_ + "' is incomplete",
           fmt::format("a member '{}'", key), "");
    }
    return *found;
  }

  std::vector<std::int64_t> sizes(const char* key, std::int64_t smallest) const {
    const json& list = at(key);
    std::vector<std::int64_t> sizes;
    bool is_valid = list.is_array() && list.size() <= kMaxRank;
    for (const json& size : is_valid ? list : json::array()) {
      const bool fits = size.is_number_integer() &&
                        !(size.is_number_unsigned() &&
                          size.get<std::uint64_t>() >
                              static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()));
      if (!fits || size.get<std::int64_t>() < smallest) is_valid = false;
      if (is_valid) sizes.push_back(size.get<std::int64_t>());
    }
    if (!is_valid) {
      fail(fmt::format("'{}' of array '{}' is not valid", key, name_),
           fmt::format("at most {} integers of at least {}", kMaxRank, smallest), shown(list));
    }
    return sizes;
  }

  void read_dtype(ArrayInfo& info) const {
    const json& dtype = at("dtype");
    const std::string text = dtype.is_string() ? dtype.get<std::string>() : "";
    const auto found = text.size() < 2 ? dtypes().end() : dtypes().find(text.substr(1));
    if (found == dtypes().end() || std::string_view("<>|=").find(text[0]) == std::string::npos) {
      fail("array '" + name_ + "' has an unsupported dtype", "booleans, integers or floats",
           shown(dtype));
    }
    info.dtype = found->second.type;
    info.dtype_name = found->second.name;
    info.is_big_endian = text[0] == '>';
  }

  // A chunk must fit into memory, and the array's size into 64 bits.
  void check_bytes(const ArrayInfo& info) const {
    std::int64_t chunk = info.item_size();
    for (const std::int64_t size : info.chunks) {
      if (size > kMaxChunkBytes / chunk) {
        fail(fmt::format("the chunks of array '{}' are too large", name_),
             fmt::format("at most {} GiB", kMaxChunkBytes >> 30),
             fmt::format("{} elements of {}", shown(at("chunks")), info.dtype_name));
      }
      chunk *= size;
    }
    std::int64_t bytes = info.item_size();
    for (const std::int64_t size : info.shape) {
      if (size > 0 && bytes > std::numeric_limits<std::int64_t>::max() / 16 / size) {
        fail(fmt::format("the shape of array '{}' is not valid", name_), "fewer elements",
             shown(at("shape")));
      }
      bytes *= std::max<std::int64_t>(size, 1);
    }
  }

  void read_order(ArrayInfo& info) const {
    const json& order = at("order");
    if (order != "C" && order != "F") {
      fail("array '" + name_ + "' has an unknown order", "C or F", shown(order));
    }
    info.is_column_major = order == "F";
    const auto separator = description_.find("dimension_separator");
    if (separator == description_.end() || separator->is_null()) return;
    if (*separator != "." && *separator != "/") {
      fail("array '" + name_ + "' has an unknown dimension_separator", "'.' or '/'",
           shown(*separator));
    }
    info.separator = separator->get<std::string>().front();
  }

  // The id in {"id": "blosc", ...}.
  std::string codec_id(const json& codec) const {
    const auto id = codec.is_object() ? codec.find("id") : codec.end();
    if (!codec.is_object() || id == codec.end() || !id->is_string()) {
      fail("array '" + name_ + "' has a codec without an id", "{\"id\": NAME, ...}", shown(codec));
    }
    return id->get<std::string>();
  }

  void read_codecs(ArrayInfo& info) const {
    const json& compressor = at("compressor");
    if (!compressor.is_null()) info.codec = codec_id(compressor);
    const auto filters = description_.find("filters");
    if (filters == description_.end() || filters->is_null()) return;
    if (!filters->is_array()) {
      fail("the filters of array '" + name_ + "' are not valid", "a list", shown(*filters));
    }
    for (const json& filter : *filters) info.filters.push_back(codec_id(filter));
  }

  double fill_value() const {
    const auto value = description_.find("fill_value");
    if (value == description_.end() || value->is_null()) return 0.0;
    if (value->is_number()) return value->get<double>();
    if (value->is_boolean()) return value->get<bool>() ? 1.0 : 0.0;
    if (*value == "NaN") return std::numeric_limits<double>::quiet_NaN();
    if (*value == "Infinity") return std::numeric_limits<double>::infinity();
    if (*value == "-Infinity") return -std::numeric_limits<double>::infinity();
    fail("the fill_value of array '" + name_ + "' is not valid", "a number or null", shown(*value));
  }

  std::string name_, where_;
  json description_;
};

}  // namespace

std::int64_t ArrayInfo::item_size() const {
  return static_cast<std::int64_t>(c10::elementSize(dtype));
}

std::int64_t ArrayInfo::chunk_bytes() const {
  std::int64_t bytes = item_size();
  for (const std::int64_t size : chunks) bytes *= size;
  return bytes;
}

std::string ArrayInfo::describe() const {
  return fmt::format("{} [{}]", dtype_name, fmt::join(shape, ", "));
}

ArrayInfo read_array_info(const Store& store, const std::string& name) {
  return InfoReader(store, name).read();
}

}  // namespace roboimi::zarr_dataset
