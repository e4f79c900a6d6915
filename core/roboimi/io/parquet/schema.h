// The leaf columns of a schema, with the levels that define their lists and nulls.
//
// A Parquet file stores a leaf column as entries of (repetition level, definition level, value).
// The repetition level is the number of lists that the entry continues, 0 for a new row. The
// definition level counts how many optional and repeated nodes on the path to the leaf exist.
// Source: Melnik et al., "Dremel", section 4.1. Internal to io/parquet.
#pragma once

#include <cstdint>
#include <vector>

#include "roboimi/io/parquet/metadata.h"
#include "roboimi/io/parquet/reader.h"

namespace roboimi::parquet {

struct Leaf {
  Column column;
  std::int32_t physical_type = -1;
  std::size_t fixed_length = 0;  // bytes of a FIXED_LEN_BYTE_ARRAY; 0: another type
  int max_definition = 0;        // of an entry that is not null
  // For each list, outermost first: the lowest definition level at which it has elements. One less
  // means an empty list, anything lower a null list.
  std::vector<std::uint8_t> list_definitions;
};

// Throws Error if the elements do not form a tree, are nested too deeply or have invalid types.
std::vector<Leaf> leaves_of(const std::vector<SchemaElement>& schema);

}  // namespace roboimi::parquet
