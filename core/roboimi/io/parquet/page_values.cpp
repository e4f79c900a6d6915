#include "roboimi/io/parquet/page_values.h"

#include <c10/util/Half.h>

#include <array>
#include <type_traits>

#include "roboimi/io/parquet/delta_reader.h"
#include "roboimi/io/parquet/hybrid.h"

namespace roboimi::parquet {
namespace {

// RLE booleans.
class RunReader {
 public:
  explicit RunReader(Bytes data) {
    // Pages of nulls may be empty.
    const Bytes runs =
        data.empty() ? data
                     : take(data, take_length(data, "the length of the values"), "the values");
    runs_ = HybridReader(runs, 1, "values");
  }

  void read(std::uint8_t* out, std::size_t count, Budget& /*budget*/) { runs_.read(out, count); }
  void skip(std::size_t count) { runs_.skip(count); }

 private:
  HybridReader runs_;
};

std::uint16_t bits_of(std::uint16_t stored) { return stored; }
std::uint16_t bits_of(const std::string& stored) {
  return load<std::uint16_t>(reinterpret_cast<const std::uint8_t*>(stored.data()));
}

// FLOAT16 numbers as floats. Raw is what the decoder reads: bits, or strings of two bytes.
template <typename Raw, typename Decoder>
class HalfReader {
 public:
  explicit HalfReader(Decoder decoder) : decoder_(std::move(decoder)) {}

  void read(float* out, std::size_t count, Budget& budget) {
    std::array<Raw, 256> stored;
    while (count > 0) {
      const std::size_t now = std::min(count, stored.size());
      decoder_.read(stored.data(), now, budget);
      for (std::size_t i = 0; i < now; ++i) {
        out[i] = c10::Half(bits_of(stored[i]), c10::Half::from_bits());
      }
      out += now;
      count -= now;
    }
  }
  void skip(std::size_t count) { decoder_.skip(count); }

 private:
  Decoder decoder_;
};

template <typename T, typename Decoder>
class DecodedValues final : public ValueReader<T> {
 public:
  explicit DecodedValues(Decoder decoder) : decoder_(std::move(decoder)) {}

  void read(T* out, std::size_t count, Budget& budget) override {
    decoder_.read(out, count, budget);
  }
  void skip(std::size_t count) override { decoder_.skip(count); }

 private:
  Decoder decoder_;
};

template <typename T>
using Reading = std::unique_ptr<ValueReader<T>>;

template <typename T, typename Decoder>
Reading<T> decoded(Decoder decoder) {
  return std::make_unique<DecodedValues<T, Decoder>>(std::move(decoder));
}

template <typename Raw, typename Decoder>
Reading<float> decoded_half(Decoder decoder) {
  return decoded<float>(HalfReader<Raw, Decoder>(std::move(decoder)));
}

template <typename T>
Reading<T> plain(Bytes data, const Leaf& leaf) {
  if constexpr (std::is_same_v<T, std::string>) {
    if (leaf.fixed_length > 0) return decoded<T>(FixedReader(data, leaf.fixed_length));
  }
  if constexpr (std::is_same_v<T, float>) {
    if (leaf.fixed_length > 0) {
      return decoded_half<std::uint16_t>(PlainReader<std::uint16_t>(data));
    }
  }
  return decoded<T>(PlainReader<T>(data));
}

// The encodings that only some types have. nullptr if T does not have it.

Reading<std::uint8_t> other_values(const Page& page, const Leaf& /*leaf*/, std::uint8_t /*type*/) {
  if (page.encoding == kRle) return decoded<std::uint8_t>(RunReader(page.values));
  return nullptr;
}

template <typename T>
Reading<T> other_values(const Page& page, const Leaf& /*leaf*/, T /*type*/) {
  if (page.encoding == kByteStreamSplit) return decoded<T>(SplitReader<T>(page.values));
  if constexpr (std::is_integral_v<T>) {
    if (page.encoding == kDeltaBinaryPacked) {
      return decoded<T>(DeltaReader<T>(page.values, page.num_values));
    }
  }
  return nullptr;
}

Reading<float> other_values(const Page& page, const Leaf& leaf, float /*type*/) {
  const bool is_half = leaf.fixed_length > 0;
  if (page.encoding == kByteStreamSplit) {
    if (is_half) return decoded_half<std::uint16_t>(SplitReader<std::uint16_t>(page.values));
    return decoded<float>(SplitReader<float>(page.values));
  }
  if (page.encoding == kDeltaByteArray && is_half) {
    return decoded_half<std::string>(
        DeltaStringReader(page.values, page.num_values, leaf.fixed_length));
  }
  return nullptr;
}

Reading<std::string> other_values(const Page& page, const Leaf& leaf, const std::string& /*type*/) {
  using String = std::string;
  const std::size_t length = leaf.fixed_length;
  if (page.encoding == kDeltaByteArray) {
    return decoded<String>(DeltaStringReader(page.values, page.num_values, length));
  }
  if (page.encoding == kDeltaLengthByteArray && length == 0) {
    return decoded<String>(DeltaLengthReader(page.values, page.num_values));
  }
  if (page.encoding == kByteStreamSplit && length > 0) {
    return decoded<String>(SplitReader<String>(page.values, length));
  }
  return nullptr;
}

}  // namespace

template <typename T>
std::unique_ptr<ValueReader<T>> values_of(const Page& page, const Leaf& leaf,
                                          const std::vector<T>* dictionary) {
  if (page.encoding == kPlain) return plain<T>(page.values, leaf);
  if (page.encoding == kPlainDictionary || page.encoding == kRleDictionary) {
    if (dictionary == nullptr) fail("the column has no dictionary page before its data");
    return decoded<T>(DictionaryReader<T>(page.values, *dictionary));
  }
  if (Reading<T> values = other_values(page, leaf, T())) return values;
  fail("the encoding is not supported for this type",
       "an encoding of the format for " + leaf.column.type_name, encoding_name(page.encoding),
       "write the file again without this encoding");
}

template <typename T>
std::unique_ptr<ValueReader<T>> dictionary_values_of(const Page& page, const Leaf& leaf) {
  if (page.encoding != kPlain && page.encoding != kPlainDictionary) {
    fail("the encoding of the dictionary is not supported", "PLAIN", encoding_name(page.encoding),
         "write the file again without this encoding");
  }
  return plain<T>(page.values, leaf);
}

template std::unique_ptr<ValueReader<std::uint8_t>> values_of(const Page&, const Leaf&,
                                                              const std::vector<std::uint8_t>*);
template std::unique_ptr<ValueReader<std::uint8_t>> dictionary_values_of(const Page&, const Leaf&);
template std::unique_ptr<ValueReader<std::int32_t>> values_of(const Page&, const Leaf&,
                                                              const std::vector<std::int32_t>*);
template std::unique_ptr<ValueReader<std::int32_t>> dictionary_values_of(const Page&, const Leaf&);
template std::unique_ptr<ValueReader<std::int64_t>> values_of(const Page&, const Leaf&,
                                                              const std::vector<std::int64_t>*);
template std::unique_ptr<ValueReader<std::int64_t>> dictionary_values_of(const Page&, const Leaf&);
template std::unique_ptr<ValueReader<float>> values_of(const Page&, const Leaf&,
                                                       const std::vector<float>*);
template std::unique_ptr<ValueReader<float>> dictionary_values_of(const Page&, const Leaf&);
template std::unique_ptr<ValueReader<double>> values_of(const Page&, const Leaf&,
                                                        const std::vector<double>*);
template std::unique_ptr<ValueReader<double>> dictionary_values_of(const Page&, const Leaf&);
template std::unique_ptr<ValueReader<std::string>> values_of(const Page&, const Leaf&,
                                                             const std::vector<std::string>*);
template std::unique_ptr<ValueReader<std::string>> dictionary_values_of(const Page&, const Leaf&);

}  // namespace roboimi::parquet
