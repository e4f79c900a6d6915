// The pages of a column chunk, checked and decompressed. Internal to io/parquet.
#pragma once

#include <cstdint>
#include <vector>

#include "roboimi/io/parquet/metadata.h"
#include "roboimi/io/parquet/schema.h"

namespace roboimi::parquet {

// The contents of a data page, valid until the next page is read.
struct Page {
  std::int32_t encoding = kPlain;
  std::size_t num_values = 0;  // entries, nulls and empty lists included
  Bytes repetition;            // levels
  Bytes definition;
  Bytes values;
};

// Usage: while (pages.next()) { if (...) pages.skip(); else use(pages.contents()); }
// All members throw Error for damaged data, without a location.
class PageReader {
 public:
  // `file`: the bytes of the file up to its footer. `max_bytes` limits a decompressed page.
  PageReader(Bytes file, const ColumnChunk& chunk, const Leaf& leaf, std::int64_t max_bytes);

  // Reads the next header of a data or dictionary page. Returns false at the end of the chunk.
  bool next();
  const PageHeader& header() const { return header_; }
  bool is_dictionary() const { return header_.type == kDictionaryPage; }
  // Of the current page, counted from 0 at the start of the chunk.
  std::int64_t index() const { return index_; }

  // Decompresses the current page. Without this call the page is skipped.
  Page contents();

 private:
  void check_sizes() const;
  Bytes decompressed(Bytes data, std::size_t size);
  Page contents_v2();

  const Leaf& leaf_;
  std::int32_t codec_;
  std::int64_t max_bytes_;
  Bytes rest_;
  std::int64_t entries_left_;  // of the chunk
  PageHeader header_;
  Bytes data_;  // of the current page, as in the file
  std::int64_t index_ = -1;
  std::vector<std::uint8_t> buffer_;
};

}  // namespace roboimi::parquet
