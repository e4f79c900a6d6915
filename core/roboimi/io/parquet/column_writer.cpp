#include "roboimi/io/parquet/column_writer.h"

#include <zlib.h>

#include <algorithm>
#include <bit>
#include <functional>
#include <limits>
#include <optional>

#include "roboimi/io/parquet/codec.h"
#include "roboimi/io/parquet/column_levels.h"
#include "roboimi/io/parquet/hybrid.h"
#include "roboimi/io/parquet/hybrid_writer.h"
#include "roboimi/io/parquet/thrift_writer.h"

namespace roboimi::parquet {
namespace {

// Bytes of a value in PLAIN encoding.
template <typename T>
std::size_t plain_size(const T& value) {
  if constexpr (std::is_same_v<T, std::string>) return sizeof(std::uint32_t) + value.size();
  return sizeof(T);
}

template <typename T>
void append_raw(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

template <typename T>
void append_plain(std::string& out, const T& value) {
  if constexpr (std::is_same_v<T, std::string>) {
    append_raw(out, static_cast<std::uint32_t>(value.size()));
    out += value;
  } else {
    append_raw(out, value);
  }
}

// The key of a value in a dictionary: for numbers their bits, because NaN is not equal to itself
// and 0 equals -0.
template <typename T>
auto key_of(const T& value) {
  if constexpr (std::is_same_v<T, std::string>) {
    return std::string_view(value);
  } else if constexpr (sizeof(T) == sizeof(std::uint32_t)) {
    return std::bit_cast<std::uint32_t>(value);
  } else {
    return std::bit_cast<std::uint64_t>(value);
  }
}

// Numbers the distinct values of a column in the order in which they appear: a hash table with open
// addressing, because nearly every value of some columns is new.
template <typename T>
class DistinctValues {
 public:
  explicit DistinctValues(const std::vector<T>& items) : items_(items), slots_(kFirstSlots) {}

  std::size_t size() const { return first_.size(); }

  // The number of items[index], and whether it is new.
  std::pair<std::uint32_t, bool> insert(std::size_t index) {
    if (2 * first_.size() >= slots_.size()) grow();
    std::uint32_t& slot = slot_of(index);
    if (slot != 0) return {slot - 1, false};
    first_.push_back(index);
    slot = static_cast<std::uint32_t>(first_.size());
    return {slot - 1, true};
  }

 private:
  static constexpr std::size_t kFirstSlots = 256;  // powers of two

  // The slot that holds the value of items[index], or the empty one in which it belongs.
  std::uint32_t& slot_of(std::size_t index) {
    const auto key = key_of(items_[index]);
    std::uint64_t hash = std::hash<std::remove_const_t<decltype(key)>>()(key);
    hash *= 0x9e3779b97f4a7c15;  // spreads numbers, whose std::hash is the number itself
    for (std::size_t i = hash >> 32;; ++i) {
      std::uint32_t& slot = slots_[i & (slots_.size() - 1)];
      if (slot == 0 || key_of(items_[first_[slot - 1]]) == key) return slot;
    }
  }

  void grow() {
    slots_.assign(2 * slots_.size(), 0);
    for (std::size_t i = 0; i < first_.size(); ++i) {
      slot_of(first_[i]) = static_cast<std::uint32_t>(i + 1);
    }
  }

  const std::vector<T>& items_;
  std::vector<std::uint32_t> slots_;  // number of the value plus one, or 0
  std::vector<std::size_t> first_;    // index of the first item with each value
};

struct Dictionary {
  std::string plain;  // the distinct values
  std::int32_t size = 0;
  std::vector<std::uint32_t> indices;  // of every leaf, 0 for nulls
  int bit_width() const { return bit_width_of(static_cast<std::uint64_t>(std::max(size - 1, 1))); }
};

// Writes the pages of one column, whose values have type T.
template <typename T>
class ChunkWriter {
 public:
  ChunkWriter(AtomicFile& file, const Column& column, const Values& values,
              const WriterOptions& options)
      : file_(file),
        column_(column),
        values_(values),
        items_(std::get<std::vector<T>>(values.values)),
        options_(options) {
    written_.chunk.type = physical_type_of(column.type);
    written_.chunk.codec = codec_id_of(options.codec);
    written_.chunk.num_values = 0;
    written_.chunk.compressed_size = 0;
    written_.encodings = {kPlain, kRle};
  }

  WrittenChunk write(std::int64_t rows) {
    dictionary_ = smaller_dictionary();
    if (dictionary_) write_dictionary_page();
    written_.chunk.data_page_offset = file_.size();
    // Rows are collected until their values fill a page.
    LevelMaker maker(column_, values_);
    Levels levels;
    std::size_t bytes = 0;
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::size_t before = levels.end_leaf;
      maker.add_row(levels);
      for (std::size_t i = before; i < levels.end_leaf; ++i) bytes += plain_size(items_[i]);
      if (bytes < static_cast<std::size_t>(options_.page_bytes) && row + 1 < rows &&
          levels.definition.size() < kMaxEntries) {
        continue;
      }
      write_data_page(levels);
      levels = {.first_leaf = levels.end_leaf, .end_leaf = levels.end_leaf};
      bytes = 0;
    }
    return std::move(written_);
  }

 private:
  static constexpr std::size_t kMaxEntries = 1 << 20;  // per page; also limits pages of nulls

  bool is_null(std::size_t leaf) const {
    return !values_.is_null.empty() && values_.is_null[leaf] != 0;
  }

  std::optional<Dictionary> smaller_dictionary() const;
  void write_dictionary_page();
  void write_data_page(const Levels& levels);
  void append_values(std::string& out, const Levels& levels) const;
  void write_page(const std::string& page, std::int32_t type, std::size_t num_values,
                  std::int32_t encoding);

  AtomicFile& file_;
  const Column& column_;
  const Values& values_;
  const std::vector<T>& items_;
  const WriterOptions& options_;
  std::optional<Dictionary> dictionary_;
  WrittenChunk written_;
};

// A dictionary, if it and the indices take less than the values and it fits into a page.
template <typename T>
std::optional<Dictionary> ChunkWriter<T>::smaller_dictionary() const {
  if constexpr (std::is_same_v<T, std::uint8_t>) {
    return std::nullopt;  // a boolean is as short as an index
  } else {
    Dictionary dictionary;
    DistinctValues<T> distinct(items_);
    std::size_t all_bytes = 0;
    std::size_t present = 0;
    dictionary.indices.resize(items_.size());
    for (std::size_t i = 0; i < items_.size(); ++i) {
      if (is_null(i)) continue;
      all_bytes += plain_size(items_[i]);
      ++present;
      const auto [number, is_new] = distinct.insert(i);
      dictionary.indices[i] = number;
      if (!is_new) continue;
      if (dictionary.plain.size() + plain_size(items_[i]) >
          static_cast<std::size_t>(options_.page_bytes)) {
        return std::nullopt;
      }
      append_plain(dictionary.plain, items_[i]);
    }
    dictionary.size = static_cast<std::int32_t>(distinct.size());
    const std::size_t index_bytes = present * static_cast<std::size_t>(dictionary.bit_width()) / 8;
    if (dictionary.plain.size() + index_bytes >= all_bytes) return std::nullopt;
    return dictionary;
  }
}

template <typename T>
void ChunkWriter<T>::write_dictionary_page() {
  written_.chunk.dictionary_page_offset = file_.size();
  written_.encodings.push_back(kRleDictionary);
  write_page(dictionary_->plain, kDictionaryPage, static_cast<std::size_t>(dictionary_->size),
             kPlain);
}

void append_levels(std::string& page, const std::vector<std::uint32_t>& levels, int largest) {
  std::string runs;
  append_hybrid(runs, levels, bit_width_of(static_cast<std::uint64_t>(largest)));
  append_raw(page, static_cast<std::uint32_t>(runs.size()));
  page += runs;
}

template <typename T>
void ChunkWriter<T>::write_data_page(const Levels& levels) {
  std::string page;
  if (column_.list_depth > 0) append_levels(page, levels.repetition, column_.list_depth);
  append_levels(page, levels.definition, max_definition_of(column_));
  append_values(page, levels);
  write_page(page, kDataPage, levels.definition.size(), dictionary_ ? kRleDictionary : kPlain);
  written_.chunk.num_values += static_cast<std::int64_t>(levels.definition.size());
}

template <typename T>
void ChunkWriter<T>::append_values(std::string& out, const Levels& levels) const {
  // Indices, after their bit width.
  if (dictionary_) {
    std::vector<std::uint32_t> indices;
    for (std::size_t i = levels.first_leaf; i < levels.end_leaf; ++i) {
      if (!is_null(i)) indices.push_back(dictionary_->indices[i]);
    }
    out += static_cast<char>(dictionary_->bit_width());
    append_hybrid(out, indices, dictionary_->bit_width());
    return;
  }
  // PLAIN: numbers without nulls at once, booleans as bits.
  if constexpr (!std::is_same_v<T, std::string> && !std::is_same_v<T, std::uint8_t>) {
    if (values_.is_null.empty()) {
      out.append(reinterpret_cast<const char*>(items_.data() + levels.first_leaf),
                 (levels.end_leaf - levels.first_leaf) * sizeof(T));
      return;
    }
  }
  std::size_t bit = 0;
  for (std::size_t i = levels.first_leaf; i < levels.end_leaf; ++i) {
    if (is_null(i)) continue;
    if constexpr (std::is_same_v<T, std::uint8_t>) {
      if (bit % 8 == 0) out += '\0';
      if (items_[i] != 0) out.back() = static_cast<char>(out.back() | 1 << (bit % 8));
      ++bit;
    } else {
      append_plain(out, items_[i]);
    }
  }
}

template <typename T>
void ChunkWriter<T>::write_page(const std::string& page, std::int32_t type, std::size_t num_values,
                                std::int32_t encoding) {
  constexpr std::size_t kLargest = std::numeric_limits<std::int32_t>::max();
  const std::size_t largest = page.size();
  if (largest > kLargest || num_values > kLargest) {
    fail("one row is too large for a page", "less than 2 GiB", std::to_string(largest) + " bytes");
  }
  const std::string data = compress(written_.chunk.codec, page);
  if (data.size() > kLargest) fail("one row is too large for a page", "less than 2 GiB");
  const auto crc = ::crc32_z(0, reinterpret_cast<const Bytef*>(data.data()), data.size());
  // The header, see parquet.thrift.
  ThriftWriter header;
  header.begin();
  header.integer(1, type);
  header.integer(2, static_cast<std::int32_t>(page.size()));
  header.integer(3, static_cast<std::int32_t>(data.size()));
  header.integer(4, static_cast<std::int32_t>(crc));
  header.begin(type == kDictionaryPage ? 7 : 5);
  header.integer(1, static_cast<std::int32_t>(num_values));
  header.integer(2, encoding);
  if (type == kDataPage) {
    header.integer(3, std::int32_t{kRle});
    header.integer(4, std::int32_t{kRle});
  }
  header.end();
  header.end();
  file_.write(header.bytes());
  file_.write(data);
  written_.chunk.compressed_size += static_cast<std::int64_t>(header.bytes().size() + data.size());
  written_.uncompressed_size += static_cast<std::int64_t>(header.bytes().size() + page.size());
}

}  // namespace

std::int32_t physical_type_of(Type type) {
  switch (type) {
    case Type::kBoolean:
      return kBooleanType;
    case Type::kInt32:
      return kInt32Type;
    case Type::kInt64:
      return kInt64Type;
    case Type::kFloat:
      return kFloatType;
    case Type::kDouble:
      return kDoubleType;
    case Type::kByteArray:
      return kByteArrayType;
    case Type::kUnsupported:
      break;
  }
  fail("the type cannot be written", "BOOLEAN, INT32, INT64, FLOAT, DOUBLE or BYTE_ARRAY");
}

std::int32_t codec_id_of(Codec codec) {
  switch (codec) {
    case Codec::kSnappy:
      return kSnappyCodec;
    case Codec::kGzip:
      return kGzipCodec;
    case Codec::kZstd:
      return kZstdCodec;
    case Codec::kNone:
      break;
  }
  return kUncompressed;
}

WrittenChunk write_column(AtomicFile& file, const Column& column, const Values& values,
                          std::int64_t rows, const WriterOptions& options) {
  return std::visit(
      [&]<typename T>(const std::vector<T>& /*items*/) {
        return ChunkWriter<T>(file, column, values, options).write(rows);
      },
      values.values);
}

}  // namespace roboimi::parquet
