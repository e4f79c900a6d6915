// Writes one column of a row group: its dictionary and data pages. Internal to io/parquet.
#pragma once

#include <cstdint>
#include <vector>

#include "roboimi/common/atomic_file.h"
#include "roboimi/io/parquet/metadata.h"
#include "roboimi/io/parquet/writer.h"

namespace roboimi::parquet {

// The footer's description of the column in this row group.
struct WrittenChunk {
  ColumnChunk chunk;
  std::int64_t uncompressed_size = 0;  // page headers included
  std::vector<std::int32_t> encodings;
};

std::int32_t physical_type_of(Type type);
std::int32_t codec_id_of(Codec codec);

// Appends the pages of `rows` rows, which checked_rows() has checked, to the file.
WrittenChunk write_column(AtomicFile& file, const Column& column, const Values& values,
                          std::int64_t rows, const WriterOptions& options);

}  // namespace roboimi::parquet
