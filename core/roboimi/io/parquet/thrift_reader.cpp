#include "roboimi/io/parquet/thrift_reader.h"

namespace roboimi::parquet {
namespace {

constexpr int kMaxDepth = 32;  // Parquet's own structures nest to a depth of eight

std::int64_t from_zigzag(std::uint64_t value) {
  return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
}

}  // namespace

void ThriftReader::expect(int type, const char* name) {
  if (type_ != type) {
    fail("a value in the metadata has the wrong type", name,
         "Thrift type " + std::to_string(type_));
  }
}

void ThriftReader::enter() {
  if (++depth_ > kMaxDepth) {
    fail("the metadata is nested too deeply", "at most " + std::to_string(kMaxDepth) + " levels");
  }
}

bool ThriftReader::next_field(int& id) {
  const std::uint8_t header = take(rest_, 1, "the metadata")[0];
  type_ = header & 0x0f;
  in_list_ = false;
  if (type_ == kStop) return false;
  // Most field numbers are stored as the difference from the previous one.
  const int step = header >> 4;
  const std::int64_t next = step != 0 ? id + step : from_zigzag(take_varint(rest_));
  if (next < std::numeric_limits<std::int16_t>::min() ||
      next > std::numeric_limits<std::int16_t>::max()) {
    fail("a field number in the metadata is out of range", "", std::to_string(next));
  }
  id = static_cast<int>(next);
  return true;
}

ThriftReader::List ThriftReader::list_header() {
  const std::uint8_t header = take(rest_, 1, "the metadata")[0];
  List list{.type = header & 0x0f, .size = static_cast<std::uint64_t>(header >> 4)};
  if (list.size == 15) list.size = take_varint(rest_);
  // Each element takes at least one byte, so that a wrong size cannot cost time or memory.
  if (list.size > rest_.size()) {
    fail("a list in the metadata is longer than the metadata",
         "at most " + std::to_string(rest_.size()) + " elements", std::to_string(list.size));
  }
  in_list_ = true;
  return list;
}

std::int64_t ThriftReader::integer() {
  if (type_ < kByte || type_ > kInt64) expect(kInt64, "an integer");
  const bool is_byte = type_ == kByte;
  type_ = kNone;
  if (is_byte) return static_cast<std::int8_t>(take(rest_, 1, "the metadata")[0]);
  return from_zigzag(take_varint(rest_));
}

bool ThriftReader::boolean() {
  if (type_ != kTrue) expect(kFalse, "a boolean");
  // A field's value is its type; an element of a list has a separate byte.
  const bool value = in_list_ ? take(rest_, 1, "the metadata")[0] == kTrue : type_ == kTrue;
  type_ = kNone;
  return value;
}

std::string_view ThriftReader::binary() {
  expect(kBinary, "a string");
  type_ = kNone;
  const Bytes bytes = take(rest_, take_varint(rest_), "a string of the metadata");
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void ThriftReader::skip_map() {
  const std::uint64_t size = take_varint(rest_);
  if (size == 0) return;
  const std::uint8_t types = take(rest_, 1, "the metadata")[0];
  for (std::uint64_t i = 0; i < size; ++i) {
    for (const int type : {types >> 4, types & 0x0f}) {
      in_list_ = true;
      skip(type);
    }
  }
}

void ThriftReader::skip(int type) {
  type_ = type;
  switch (type) {
    case kTrue:
    case kFalse:
      boolean();
      break;
    case kDouble:
      take(rest_, 8, "the metadata");
      break;
    case kBinary:
      binary();
      break;
    case kList:
    case kSet: {
      enter();
      const List list = list_header();
      for (std::uint64_t i = 0; i < list.size; ++i) {
        in_list_ = true;
        skip(list.type);
      }
      --depth_;
      break;
    }
    case kMap:
      enter();
      skip_map();
      --depth_;
      break;
    case kStruct:
      structure([](int) { return false; });
      break;
    case kUuid:
      take(rest_, 16, "the metadata");
      break;
    default:
      integer();
  }
}

}  // namespace roboimi::parquet
