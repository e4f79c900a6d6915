#include "roboimi/io/safetensors_header.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "roboimi/common/error.h"
#include "roboimi/io/dtype_names.h"

namespace roboimi {
namespace {

using Json = nlohmann::json;

constexpr int kMaxDepth = 3;        // header { tensor { shape [
constexpr int kMaxListLength = 64;  // libtorch's own limit

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& what,
                       const std::string& expected = "", const std::string& found = "") {
  throw Error({.what = "not a valid safetensors file: " + what,
               .where = path.string(),
               .expected = expected,
               .found = found});
}

// nlohmann-json would keep the last of two equal keys and nest without bound.
class StrictParse {
 public:
  explicit StrictParse(const std::filesystem::path& path) : path_(path) {}

  bool operator()(int, Json::parse_event_t event, Json& parsed) {
    switch (event) {
      case Json::parse_event_t::object_start:
      case Json::parse_event_t::array_start:
        keys_.emplace_back();
        values_ = 0;
        if (keys_.size() > kMaxDepth) fail(path_, "the header is nested too deeply");
        break;
      case Json::parse_event_t::object_end:
      case Json::parse_event_t::array_end:
        keys_.pop_back();
        values_ = 0;
        break;
      case Json::parse_event_t::key:
        values_ = 0;
        if (!keys_.back().insert(parsed.get<std::string>()).second) {
          fail(path_, "'" + parsed.get<std::string>() + "' is there twice");
        }
        break;
      case Json::parse_event_t::value:
        if (++values_ > kMaxListLength) fail(path_, "a list in the header is too long");
        break;
    }
    return true;
  }

 private:
  const std::filesystem::path& path_;
  std::vector<std::set<std::string>> keys_;  // of the objects we are in
  int values_ = 0;                           // in a row
};

Json parse_strictly(std::string_view text, const std::filesystem::path& path) {
  if (text.empty() || text.front() != '{') fail(path, "the header is not a JSON object");
  StrictParse strict(path);
  try {
    Json json = Json::parse(text.begin(), text.end(), std::ref(strict));
    if (!json.is_object()) fail(path, "the header is not a JSON object");
    return json;
  } catch (const Json::exception&) {
    fail(path, "the header is not JSON");
  }
}

const Json& member(const Json& object, const char* key, const std::string& name,
                   const std::filesystem::path& path) {
  if (!object.is_object() || !object.contains(key)) {
    fail(path, "tensor '" + name + "' has no " + key);
  }
  return object[key];
}

std::uint64_t whole_number(const Json& value, const std::string& name,
                           const std::filesystem::path& path) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > INT64_MAX) {
    fail(path, "tensor '" + name + "'", "whole numbers from 0", value.dump(-1, ' ', true));
  }
  return value.get<std::uint64_t>();
}

// Bytes that the shape needs; Error on overflow.
std::uint64_t bytes_of(const SafetensorsEntry& entry, const std::string& name,
                       const std::filesystem::path& path) {
  std::uint64_t bytes = c10::elementSize(entry.dtype);
  std::uint64_t nonzero = bytes;  // strides overflow even where another dimension is 0
  for (const std::int64_t size : entry.shape) {
    const std::uint64_t factor = static_cast<std::uint64_t>(std::max<std::int64_t>(size, 1));
    if (__builtin_mul_overflow(nonzero, factor, &nonzero) || nonzero > INT64_MAX) {
      fail(path, "the shape of tensor '" + name + "' overflows");
    }
    bytes = size == 0 ? 0 : bytes * static_cast<std::uint64_t>(size);
  }
  return bytes;
}

SafetensorsEntry read_entry(const std::string& name, const Json& json, std::uint64_t data_size,
                            const std::filesystem::path& path) {
  SafetensorsEntry entry;
  const Json& dtype = member(json, "dtype", name, path);
  const Json& shape = member(json, "shape", name, path);
  const Json& offsets = member(json, "data_offsets", name, path);
  const auto known = dtype.is_string() ? dtype_from_name(dtype.get<std::string>()) : std::nullopt;
  if (!known) {
    fail(path, "the dtype of tensor '" + name + "' is not known", "one of " + all_dtype_names(),
         dtype.dump(-1, ' ', true));
  }
  entry.dtype = *known;
  if (!shape.is_array() || !offsets.is_array() || offsets.size() != 2) {
    fail(path, "tensor '" + name + "'", "a list as shape and two data_offsets");
  }
  for (const Json& size : shape) {
    entry.shape.push_back(static_cast<std::int64_t>(whole_number(size, name, path)));
  }
  entry.begin = whole_number(offsets[0], name, path);
  entry.end = whole_number(offsets[1], name, path);
  if (entry.begin > entry.end || entry.end > data_size) {
    fail(path, "tensor '" + name + "' lies outside the file",
         "offsets within " + std::to_string(data_size) + " bytes of data",
         std::to_string(entry.begin) + " to " + std::to_string(entry.end));
  }
  const std::uint64_t needed = bytes_of(entry, name, path);
  if (needed != entry.end - entry.begin) {
    fail(path, "the shape of tensor '" + name + "' disagrees with its offsets",
         std::to_string(needed) + " bytes", std::to_string(entry.end - entry.begin));
  }
  return entry;
}

void check_tiling(const SafetensorsHeader& header, std::uint64_t data_size,
                  const std::filesystem::path& path) {
  using Named = std::pair<const std::string, SafetensorsEntry>;
  std::vector<const Named*> sorted;
  for (const Named& named : header.entries) sorted.push_back(&named);
  std::sort(sorted.begin(), sorted.end(), [](const Named* a, const Named* b) {
    return std::pair(a->second.begin, a->second.end) < std::pair(b->second.begin, b->second.end);
  });
  std::uint64_t position = 0;
  for (const Named* named : sorted) {
    if (named->second.begin != position) {
      fail(path,
           named->second.begin < position ? "tensor '" + named->first + "' overlaps another"
                                          : "there is a hole before tensor '" + named->first + "'",
           "data from byte " + std::to_string(position),
           "from byte " + std::to_string(named->second.begin));
    }
    position = named->second.end;
  }
  if (position != data_size) {
    fail(path, "the tensors do not fill the file", std::to_string(position) + " bytes of data",
         std::to_string(data_size));
  }
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view text, std::uint64_t data_size,
                                           const std::filesystem::path& path) {
  const Json json = parse_strictly(text, path);
  SafetensorsHeader header;
  for (const auto& [name, value] : json.items()) {
    if (name != "__metadata__") {
      header.entries.emplace(name, read_entry(name, value, data_size, path));
      continue;
    }
    if (!value.is_object()) fail(path, "__metadata__ is not an object");
    for (const auto& [key, text_value] : value.items()) {
      if (!text_value.is_string()) fail(path, "__metadata__." + key + " is not a text");
      header.metadata.emplace(key, text_value.get<std::string>());
    }
  }
  check_tiling(header, data_size, path);
  return header;
}

}  // namespace roboimi
