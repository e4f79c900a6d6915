#include "roboimi/io/parquet/page_reader.h"

#include <zlib.h>

#include <algorithm>

#include "roboimi/io/parquet/codec.h"

namespace roboimi::parquet {
namespace {

Bytes bytes_of(Bytes file, const ColumnChunk& chunk) {
  // Some writers store an offset of 0 if there is no dictionary.
  const bool has_dictionary =
      chunk.dictionary_page_offset > 0 && chunk.dictionary_page_offset < chunk.data_page_offset;
  const auto begin = static_cast<std::uint64_t>(has_dictionary ? chunk.dictionary_page_offset
                                                               : chunk.data_page_offset);
  const auto size = static_cast<std::uint64_t>(chunk.compressed_size);
  if (begin > file.size() || size > file.size() - begin) {
    fail("its data is outside the file", "an end of at most " + std::to_string(file.size()),
         "bytes " + std::to_string(begin) + " to " + std::to_string(begin + size));
  }
  return file.subspan(begin, size);
}

// Levels of a page of version 1, which come after their length.
Bytes take_levels(Bytes& rest, std::int32_t encoding) {
  if (encoding != kRle) {
    fail("the encoding of the levels is not supported", "RLE", encoding_name(encoding),
         "write the file again without this encoding");
  }
  return take(rest, take_length(rest, "the length of the levels"), "the levels");
}

}  // namespace

PageReader::PageReader(Bytes file, const ColumnChunk& chunk, const Leaf& leaf,
                       std::int64_t max_bytes)
    : leaf_(leaf),
      codec_(chunk.codec),
      max_bytes_(max_bytes),
      rest_(bytes_of(file, chunk)),
      entries_left_(chunk.num_values) {}

bool PageReader::next() {
  while (entries_left_ > 0 && !rest_.empty()) {
    ++index_;
    header_ = take_page_header(rest_);
    if (header_.compressed_size < 0 || header_.uncompressed_size < 0) {
      fail("the page header has no sizes");
    }
    data_ = take(rest_, static_cast<std::uint64_t>(header_.compressed_size), "a page");
    const bool has_data = header_.type == kDataPage || header_.type == kDataPageV2;
    // Readers must skip pages of other types.
    if (!has_data && header_.type != kDictionaryPage) continue;
    check_sizes();
    if (has_data) entries_left_ -= header_.num_values;
    return true;
  }
  return false;
}

void PageReader::check_sizes() const {
  if (header_.num_values < 0) fail("the page header has no number of values");
  if (!is_dictionary() && header_.num_values > entries_left_) {
    fail("the pages have more values than the column",
         "at most " + std::to_string(entries_left_) + " in this page",
         std::to_string(header_.num_values));
  }
  // A number takes at most eight bytes, and as much again for its levels in the worst encoding.
  constexpr std::int64_t kSlack = 1 << 16;
  constexpr std::int64_t kBytesPerValue = 32;
  const std::int64_t largest =
      leaf_.column.type == Type::kByteArray
          ? max_bytes_
          : std::min(max_bytes_, kSlack + kBytesPerValue * header_.num_values);
  if (header_.uncompressed_size > largest) {
    fail("the page is too large for its number of values",
         "at most " + std::to_string(largest) + " bytes",
         std::to_string(header_.uncompressed_size));
  }
}

Bytes PageReader::decompressed(Bytes data, std::size_t size) {
  if (!is_known_codec(codec_)) {
    fail("the codec is not supported", "UNCOMPRESSED, SNAPPY, GZIP, BROTLI, LZ4, ZSTD or LZ4_RAW",
         codec_name(codec_), "write the file again with one of them");
  }
  return decompress(codec_, data, size, buffer_);
}

Page PageReader::contents() {
  if (header_.crc) {
    const auto stated = static_cast<std::uint32_t>(*header_.crc);
    const auto actual = static_cast<std::uint32_t>(::crc32_z(0, data_.data(), data_.size()));
    if (stated != actual) fail("the checksum of the page is wrong");
  }
  if (header_.type == kDataPageV2) return contents_v2();
  const Bytes all = decompressed(data_, static_cast<std::size_t>(header_.uncompressed_size));
  Page page{.encoding = header_.encoding,
            .num_values = static_cast<std::size_t>(header_.num_values),
            .values = all};
  if (is_dictionary()) return page;
  if (!leaf_.list_definitions.empty()) {
    page.repetition = take_levels(page.values, header_.repetition_encoding);
  }
  if (leaf_.max_definition > 0) {
    page.definition = take_levels(page.values, header_.definition_encoding);
  }
  return page;
}

// In version 2, the levels are not compressed.
Page PageReader::contents_v2() {
  if (header_.repetition_size < 0 || header_.definition_size < 0) {
    fail("the page header has no sizes of the levels");
  }
  Page page{.encoding = header_.encoding,
            .num_values = static_cast<std::size_t>(header_.num_values),
            .values = data_};
  page.repetition =
      take(page.values, static_cast<std::uint64_t>(header_.repetition_size), "the levels");
  page.definition =
      take(page.values, static_cast<std::uint64_t>(header_.definition_size), "the levels");
  const std::int64_t size =
      std::int64_t{header_.uncompressed_size} - header_.repetition_size - header_.definition_size;
  if (size < 0) fail("the page is smaller than its levels");
  // A page may be stored uncompressed although its column has a codec.
  if (header_.is_compressed) {
    page.values = decompressed(page.values, static_cast<std::size_t>(size));
  }
  return page;
}

}  // namespace roboimi::parquet
