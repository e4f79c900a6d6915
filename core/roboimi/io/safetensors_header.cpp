#include "roboimi/io/safetensors_header.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "roboimi/common/error.h"
#include "roboimi/io/dtype_names.h"

namespace roboimi {
namespace {

using Json = nlohmann::json;

constexpr int kMaxDepth = 3;                // header { tensor { shape [
constexpr std::size_t kMaxListLength = 64;  // libtorch's own limit
constexpr std::string_view kMetadata = "__metadata__";

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& what,
                       const std::string& expected = "", const std::string& found = "") {
  throw Error({.what = "not a valid safetensors file: " + what,
               .where = path.string(),
               .expected = expected,
               .found = found});
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
    fail(path, "tensor '" + name + "' has an invalid number", "whole numbers from 0",
         value.dump(-1, ' ', true));
  }
  return value.get<std::uint64_t>();
}

// The number of bytes of a tensor of this shape. Throws Error on overflow.
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
                            UnknownDtype unknown, const std::filesystem::path& path) {
  // Dtype and shape.
  SafetensorsEntry entry;
  const Json& dtype = member(json, "dtype", name, path);
  const Json& shape = member(json, "shape", name, path);
  const Json& offsets = member(json, "data_offsets", name, path);
  const auto known = dtype.is_string() ? dtype_from_name(dtype.get<std::string>()) : std::nullopt;
  if (!known && (unknown == UnknownDtype::kRefuse || !dtype.is_string())) {
    fail(path, "the dtype of tensor '" + name + "' is unknown", "one of " + all_dtype_names(),
         dtype.dump(-1, ' ', true));
  }
  if (known) entry.dtype = *known;
  if (!known) entry.unknown_dtype = dtype.get<std::string>();
  if (!shape.is_array() || !offsets.is_array() || offsets.size() != 2) {
    fail(path, "tensor '" + name + "' has an invalid shape or offsets",
         "a list as shape and two data_offsets");
  }
  for (const Json& size : shape) {
    entry.shape.push_back(static_cast<std::int64_t>(whole_number(size, name, path)));
  }
  // Offsets, which must match the shape.
  entry.begin = whole_number(offsets[0], name, path);
  entry.end = whole_number(offsets[1], name, path);
  if (entry.begin > entry.end || entry.end > data_size) {
    fail(path, "tensor '" + name + "' is outside the file",
         "offsets within " + std::to_string(data_size) + " bytes of data",
         std::to_string(entry.begin) + " to " + std::to_string(entry.end));
  }
  if (!known) return entry;
  const std::uint64_t needed = bytes_of(entry, name, path);
  if (needed != entry.end - entry.begin) {
    fail(path, "the shape of tensor '" + name + "' disagrees with its offsets",
         std::to_string(needed) + " bytes", std::to_string(entry.end - entry.begin));
  }
  return entry;
}

void check_tiling(const SafetensorsHeader& header, std::uint64_t data_size,
                  const std::filesystem::path& path) {
  // Sort the tensors by position.
  using Named = std::pair<const std::string, SafetensorsEntry>;
  std::vector<const Named*> sorted;
  for (const Named& named : header.entries) sorted.push_back(&named);
  std::sort(sorted.begin(), sorted.end(), [](const Named* a, const Named* b) {
    return std::pair(a->second.begin, a->second.end) < std::pair(b->second.begin, b->second.end);
  });
  // Each must start where the one before ends, and the last one must end at the end of the file.
  std::uint64_t position = 0;
  for (const Named* named : sorted) {
    if (named->second.begin != position) {
      fail(path,
           named->second.begin < position ? "tensor '" + named->first + "' overlaps another"
                                          : "bytes before tensor '" + named->first + "' are unused",
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

// A streaming reader that builds one tensor's description at a time, so that time is proportional
// to the length of the header. Rejects duplicate keys, deep nesting and long lists immediately.
class HeaderReader final : public nlohmann::json_sax<Json> {
 public:
  HeaderReader(std::uint64_t data_size, UnknownDtype unknown, const std::filesystem::path& path)
      : data_size_(data_size), unknown_(unknown), path_(path) {}

  SafetensorsHeader take() { return std::move(header_); }

  bool null() override { return scalar(nullptr); }
  bool boolean(bool value) override { return scalar(value); }
  bool number_integer(number_integer_t value) override { return scalar(value); }
  bool number_unsigned(number_unsigned_t value) override { return scalar(value); }
  bool number_float(number_float_t value, const string_t& /*text*/) override {
    return scalar(value);
  }
  bool string(string_t& value) override { return scalar(std::move(value)); }
  bool binary(binary_t& /*value*/) override { return false; }  // does not exist in JSON
  bool start_object(std::size_t /*size*/) override { return start(Json::object()); }
  bool start_array(std::size_t /*size*/) override { return start(Json::array()); }
  bool end_object() override { return end(); }
  bool end_array() override { return end(); }
  bool key(string_t& name) override;
  bool parse_error(std::size_t /*position*/, const std::string& /*token*/,
                   const Json::exception& /*error*/) override {
    return false;
  }

 private:
  bool scalar(Json value);
  bool start(Json container);
  bool end();
  Json* place(Json value);
  void finish_member();

  std::uint64_t data_size_;
  UnknownDtype unknown_;
  const std::filesystem::path& path_;
  SafetensorsHeader header_;
  int depth_ = 0;
  bool metadata_seen_ = false;
  std::string name_;         // of the current tensor
  Json member_;              // its description
  std::vector<Json*> open_;  // open objects and lists in `member_`, outermost first
  std::string key_;          // current key in the innermost one
};

bool HeaderReader::key(string_t& name) {
  const bool of_header = open_.empty();
  const bool twice = !of_header          ? open_.back()->contains(name)
                     : name == kMetadata ? metadata_seen_
                                         : header_.entries.contains(name);
  if (twice) fail(path_, "'" + name + "' appears twice");
  if (of_header) metadata_seen_ |= name == kMetadata;
  (of_header ? name_ : key_) = std::move(name);
  return true;
}

// Stores a value in the innermost container; the pointer is valid until that container grows.
Json* HeaderReader::place(Json value) {
  if (open_.empty()) return &(member_ = std::move(value));
  Json& container = *open_.back();
  if (container.is_object()) return &(container[key_] = std::move(value));
  if (container.size() >= kMaxListLength) fail(path_, "a list in the header is too long");
  container.push_back(std::move(value));
  return &container.back();
}

bool HeaderReader::scalar(Json value) {
  if (depth_ == 0) fail(path_, "the header is not a JSON object");
  place(std::move(value));
  if (open_.empty()) finish_member();
  return true;
}

bool HeaderReader::start(Json container) {
  if (++depth_ > kMaxDepth) fail(path_, "the header is nested too deeply");
  if (depth_ == 1) return container.is_object();
  open_.push_back(place(std::move(container)));
  return true;
}

bool HeaderReader::end() {
  if (--depth_ == 0) return true;
  open_.pop_back();
  if (open_.empty()) finish_member();
  return true;
}

void HeaderReader::finish_member() {
  if (name_ != kMetadata) {
    header_.entries.emplace(name_, read_entry(name_, member_, data_size_, unknown_, path_));
    return;
  }
  if (!member_.is_object()) fail(path_, "__metadata__ is not an object");
  for (const auto& [key, text] : member_.items()) {
    if (!text.is_string()) fail(path_, "__metadata__." + key + " is not a string");
    header_.metadata.emplace(key, text.get<std::string>());
  }
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view text, std::uint64_t data_size,
                                           const std::filesystem::path& path,
                                           UnknownDtype unknown) {
  if (text.empty() || text.front() != '{') fail(path, "the header is not a JSON object");
  HeaderReader reader(data_size, unknown, path);
  if (!Json::sax_parse(text.begin(), text.end(), &reader)) fail(path, "the header is not JSON");
  SafetensorsHeader header = reader.take();
  check_tiling(header, data_size, path);
  return header;
}

}  // namespace roboimi
