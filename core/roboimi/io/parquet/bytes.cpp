#include "roboimi/io/parquet/bytes.h"

#include "roboimi/common/error.h"

namespace roboimi::parquet {

void fail(const std::string& what, const std::string& expected, const std::string& found,
          const std::string& next) {
  throw Error({.what = what, .expected = expected, .found = found, .next = next});
}

Bytes take(Bytes& rest, std::uint64_t size, const char* what) {
  if (size > rest.size()) {
    fail(std::string("the data ends inside ") + what, std::to_string(size) + " bytes",
         std::to_string(rest.size()));
  }
  const Bytes taken = rest.first(static_cast<std::size_t>(size));
  rest = rest.subspan(taken.size());
  return taken;
}

std::uint32_t take_length(Bytes& rest, const char* what) {
  return load<std::uint32_t>(take(rest, sizeof(std::uint32_t), what).data());
}

std::uint64_t take_varint(Bytes& rest) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 10 && i < rest.size(); ++i) {
    value |= std::uint64_t{rest[i] & 0x7fu} << (7 * i);
    if (i == 9 && rest[i] > 1) break;
    if ((rest[i] & 0x80) == 0) {
      rest = rest.subspan(i + 1);
      return value;
    }
  }
  fail("a variable-length integer does not end", "at most 64 bits");
}

}  // namespace roboimi::parquet
