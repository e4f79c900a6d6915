// The values of a data page in any of the supported encodings. Internal to io/parquet.
#pragma once

#include <optional>
#include <type_traits>
#include <vector>

#include "roboimi/io/parquet/page_reader.h"
#include "roboimi/io/parquet/value_reader.h"

namespace roboimi::parquet {

// Throws Error, without a location, for other encodings and damaged data. `dictionary` must outlive
// it.
template <typename T>
class ValueReader {
 public:
  ValueReader(const Page& page, const std::optional<std::vector<T>>& dictionary)
      : encoding_(page.encoding), plain_(page.values) {
    if (encoding_ == kPlainDictionary) encoding_ = kRleDictionary;
    if (encoding_ == kPlain) return;
    if (encoding_ == kRleDictionary) {
      if (!dictionary) fail("the column has no dictionary page before its data");
      indices_ = DictionaryReader<T>(page.values, *dictionary);
    } else if (encoding_ == kRle && std::is_same_v<T, std::uint8_t>) {
      Bytes rest = page.values;
      const Bytes runs =
          rest.empty() ? rest
                       : take(rest, take_length(rest, "the length of the values"), "the values");
      runs_ = HybridReader(runs, 1, "values");
    } else {
      fail("the encoding is not supported", "PLAIN, PLAIN_DICTIONARY, RLE_DICTIONARY or RLE",
           encoding_name(encoding_), "write the file again without this encoding");
    }
  }

  void read(T* out, std::size_t count, Budget& budget) {
    if (encoding_ == kPlain) return plain_.read(out, count, budget);
    if (encoding_ == kRleDictionary) return indices_.read(out, count, budget);
    if constexpr (std::is_same_v<T, std::uint8_t>) runs_.read(out, count);
  }

  void skip(std::size_t count) {
    if (encoding_ == kPlain) return plain_.skip(count);
    if (encoding_ == kRleDictionary) return indices_.skip(count);
    runs_.skip(count);
  }

 private:
  std::int32_t encoding_;
  PlainReader<T> plain_;
  DictionaryReader<T> indices_;
  HybridReader runs_;
};

}  // namespace roboimi::parquet
