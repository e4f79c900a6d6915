// Finds the footer of a Parquet file, or reports what is wrong with the file. Internal to
// io/parquet.
#pragma once

#include "roboimi/common/files.h"
#include "roboimi/io/parquet/bytes.h"

namespace roboimi::parquet {

// A file consists of magic, data, footer, length of the footer, magic.
struct FileParts {
  Bytes data;    // up to the footer, from the start of the file
  Bytes footer;  // metadata in Thrift
};

// Throws Error with the file's name: not a Parquet file, a Git LFS pointer, encrypted, or without a
// footer.
FileParts parts_of(const MappedFile& file);

}  // namespace roboimi::parquet
