// A reader of Thrift's compact protocol, in which Parquet stores its footer and page headers.
//
//   ThriftReader in(bytes);
//   in.structure([&](int field) {
//     if (field == 3) return in.read(header.compressed_size), true;
//     return false;   // unknown fields are skipped
//   });
//
// Members throw Error if the bytes end early, a value has the wrong type or does not fit, or
// structures are nested too deeply. Time is linear in the number of bytes. Internal to io/parquet.
// Format: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
#pragma once

#include <limits>
#include <string_view>
#include <type_traits>

#include "roboimi/io/parquet/bytes.h"

namespace roboimi::parquet {

class ThriftReader {
 public:
  explicit ThriftReader(Bytes bytes) : rest_(bytes) {}

  // Bytes that are not read yet.
  Bytes rest() const { return rest_; }

  // Reads a structure, which is the whole input or the current field. `on_field(id)` reads the
  // field's value and returns true, or returns false without reading.
  template <typename OnField>
  void structure(const OnField& on_field) {
    expect(kStruct, "a structure");
    enter();
    int id = 0;
    while (next_field(id)) {
      const int type = type_;
      if (!on_field(id)) skip(type);
    }
    --depth_;
    type_ = kNone;
  }

  // Calls `on_element()` for each element of the current field, a list.
  template <typename OnElement>
  void list(const OnElement& on_element) {
    expect(kList, "a list");
    enter();
    const List list = list_header();
    for (std::uint64_t i = 0; i < list.size; ++i) {
      in_list_ = true;
      type_ = list.type;
      on_element();
    }
    --depth_;
    type_ = kNone;
  }

  // The value of the current field or list element.
  std::int64_t integer();
  bool boolean();
  std::string_view binary();

  template <typename T>
  void read(T& value) {
    if constexpr (std::is_same_v<T, bool>) {
      value = boolean();
    } else {
      static_assert(std::is_signed_v<T>);
      const std::int64_t number = integer();
      if (number < std::numeric_limits<T>::min() || number > std::numeric_limits<T>::max()) {
        fail("a number in the metadata is out of range", "", std::to_string(number));
      }
      value = static_cast<T>(number);
    }
  }

 private:
  enum : int {
    kStop = 0,
    kTrue = 1,
    kFalse = 2,
    kByte = 3,
    kInt64 = 6,
    kDouble = 7,
    kBinary = 8,
    kList = 9,
    kSet = 10,
    kMap = 11,
    kStruct = 12,
    kUuid = 13,
    kNone = -1,  // the value was read already
  };
  struct List {
    int type;
    std::uint64_t size;
  };

  bool next_field(int& id);
  List list_header();
  void skip(int type);
  void skip_map();
  void expect(int type, const char* name);
  void enter();

  Bytes rest_;
  int type_ = kStruct;  // of the value to be read next
  bool in_list_ = false;
  int depth_ = 0;
};

}  // namespace roboimi::parquet
