// Reads rows of one column chunk into Values. Internal to io/parquet.
#pragma once

#include <cstdint>

#include "roboimi/io/parquet/metadata.h"
#include "roboimi/io/parquet/schema.h"
#include "roboimi/io/parquet/value_reader.h"

namespace roboimi::parquet {

// Empty values of the column's type.
Values empty_values(const Column& column);

// Rows of one column chunk.
struct ChunkRows {
  std::int64_t in_chunk;  // all rows of the chunk
  std::int64_t first;     // rows to read: [first, end)
  std::int64_t end;
};

// Appends rows to `out`, which empty_values() has created. The offsets lack their last element
// until finish_offsets(). `page` becomes the page being read, for messages, or -1. Throws Error for
// damaged data, without a location.
void append_rows(Bytes file, const ColumnChunk& chunk, const Leaf& leaf, const ChunkRows& rows,
                 Budget& budget, Values& out, std::int64_t& page);

// Completes the offsets after the last append_rows().
void finish_offsets(Values& values);

}  // namespace roboimi::parquet
