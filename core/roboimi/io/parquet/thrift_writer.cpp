#include "roboimi/io/parquet/thrift_writer.h"

namespace roboimi::parquet {
namespace {

enum : int { kTrue = 1, kFalse = 2, kByte = 3, kInt64 = 6, kList = 9 };

}  // namespace

void append_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

void ThriftWriter::varint(std::uint64_t value) { append_varint(out_, value); }

void ThriftWriter::zigzag(std::int64_t value) {
  varint(static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63));
}

void ThriftWriter::header(int field, int type) {
  const int step = field - last_fields_.back();
  last_fields_.back() = field;
  if (step > 0 && step < 16) {
    out_ += static_cast<char>(step << 4 | type);
  } else {
    out_ += static_cast<char>(type);
    zigzag(field);
  }
}

void ThriftWriter::begin(int field) {
  header(field, kStruct);
  begin();
}

void ThriftWriter::end() {
  out_ += '\0';
  last_fields_.pop_back();
}

void ThriftWriter::integer(int field, std::int32_t value) {
  header(field, kInt32);
  zigzag(value);
}

void ThriftWriter::integer(int field, std::int64_t value) {
  header(field, kInt64);
  zigzag(value);
}

void ThriftWriter::boolean(int field, bool value) { header(field, value ? kTrue : kFalse); }

void ThriftWriter::byte(int field, int value) {
  header(field, kByte);
  out_ += static_cast<char>(value);
}

void ThriftWriter::binary(int field, std::string_view value) {
  header(field, kBinary);
  element(value);
}

void ThriftWriter::list(int field, ElementType type, std::size_t size) {
  header(field, kList);
  out_ += static_cast<char>((size < 15 ? size : 15) << 4 | static_cast<std::size_t>(type));
  if (size >= 15) varint(size);
}

void ThriftWriter::element(std::int32_t value) { zigzag(value); }

void ThriftWriter::element(std::string_view value) {
  varint(value.size());
  out_ += value;
}

}  // namespace roboimi::parquet
