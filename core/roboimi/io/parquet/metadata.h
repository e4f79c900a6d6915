// The metadata of a Parquet file: the contents of its footer and page headers. Names and numbers
// are those of parquet.thrift. Internal to io/parquet.
// Format: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "roboimi/io/parquet/bytes.h"

namespace roboimi::parquet {

enum PhysicalType : std::int32_t {
  kBooleanType = 0,
  kInt32Type = 1,
  kInt64Type = 2,
  kInt96Type = 3,
  kFloatType = 4,
  kDoubleType = 5,
  kByteArrayType = 6,
  kFixedLenByteArrayType = 7,
};

enum Repetition : std::int32_t { kRequired = 0, kOptional = 1, kRepeated = 2 };

enum Encoding : std::int32_t {
  kPlain = 0,
  kPlainDictionary = 2,
  kRle = 3,
  kBitPacked = 4,
  kDeltaBinaryPacked = 5,
  kDeltaLengthByteArray = 6,
  kDeltaByteArray = 7,
  kRleDictionary = 8,
  kByteStreamSplit = 9,
};
std::string encoding_name(std::int32_t encoding);

enum CodecId : std::int32_t {
  kUncompressed = 0,
  kSnappyCodec = 1,
  kGzipCodec = 2,
  kBrotliCodec = 4,
  kLz4Codec = 5,
  kZstdCodec = 6,
  kLz4RawCodec = 7,
};
std::string codec_name(std::int32_t codec);

// A node of the schema, which lists all nodes depth first.
struct SchemaElement {
  std::string name;
  std::optional<std::int32_t> type;  // leaves only
  std::int32_t type_length = 0;      // bytes of a FIXED_LEN_BYTE_ARRAY
  std::int32_t repetition = kRequired;
  std::int32_t num_children = 0;
  bool is_list = false;      // annotated as LIST
  bool is_text = false;      // annotated as UTF-8, JSON or an enumeration
  bool is_unsigned = false;  // annotated as an unsigned integer
  bool is_decimal = false;   // annotated as a decimal number
  bool is_float16 = false;   // annotated as FLOAT16
};

// The values of one column in one row group.
struct ColumnChunk {
  std::int32_t type = -1;
  std::int32_t codec = -1;
  std::int64_t num_values = -1;  // entries, nulls and empty lists included
  std::int64_t compressed_size = -1;
  std::int64_t data_page_offset = -1;
  std::int64_t dictionary_page_offset = 0;  // 0: none
  bool is_encrypted = false;
  bool is_in_another_file = false;
};

struct RowGroup {
  std::int64_t num_rows = -1;
  std::vector<ColumnChunk> columns;
};

struct FileMetadata {
  std::vector<SchemaElement> schema;
  std::int64_t num_rows = -1;
  std::vector<RowGroup> row_groups;
  std::map<std::string, std::string> key_values;
};

enum PageType : std::int32_t {
  kDataPage = 0,
  kIndexPage = 1,
  kDictionaryPage = 2,
  kDataPageV2 = 3,
};

struct PageHeader {
  std::int32_t type = -1;
  std::int32_t uncompressed_size = -1;
  std::int32_t compressed_size = -1;
  std::optional<std::int32_t> crc;
  std::int32_t num_values = -1;
  std::int32_t encoding = -1;
  // Version 1 only.
  std::int32_t definition_encoding = kRle;
  std::int32_t repetition_encoding = kRle;
  // Version 2 only.
  std::int32_t num_rows = -1;
  std::int32_t definition_size = -1;
  std::int32_t repetition_size = -1;
  bool is_compressed = true;
};

// Throws Error for damaged metadata, without a location.
FileMetadata parse_footer(Bytes footer);
// Removes the header from the start of `rest`.
PageHeader take_page_header(Bytes& rest);

}  // namespace roboimi::parquet
