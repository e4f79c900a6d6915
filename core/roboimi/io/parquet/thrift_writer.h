// A writer of Thrift's compact protocol, in which Parquet stores its footer and page headers.
//
//   ThriftWriter out;
//   out.begin();                    // the structure itself
//   out.integer(1, type);           // field 1
//   out.begin(5); ...; out.end();   // field 5, a structure
//   out.list(4, ThriftWriter::kStruct, n);   // field 4, then n times begin(); ...; end();
//   out.end();
//
// Fields of a structure are written in ascending order. Internal to io/parquet.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace roboimi::parquet {

class ThriftWriter {
 public:
  enum ElementType : int { kInt32 = 5, kBinary = 8, kStruct = 12 };

  // A structure: the outermost one or an element of a list; or the value of a field.
  void begin() { last_fields_.push_back(0); }
  void begin(int field);
  void end();

  void integer(int field, std::int32_t value);
  void integer(int field, std::int64_t value);
  void boolean(int field, bool value);
  void byte(int field, int value);
  void binary(int field, std::string_view value);

  // A list, whose elements follow.
  void list(int field, ElementType type, std::size_t size);
  void element(std::int32_t value);
  void element(std::string_view value);

  const std::string& bytes() const { return out_; }

 private:
  void header(int field, int type);
  void varint(std::uint64_t value);
  void zigzag(std::int64_t value);

  std::string out_;
  std::vector<int> last_fields_;  // of the open structures
};

// Appends an unsigned number in groups of seven bits.
void append_varint(std::string& out, std::uint64_t value);

}  // namespace roboimi::parquet
