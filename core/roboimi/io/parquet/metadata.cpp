#include "roboimi/io/parquet/metadata.h"

#include <array>

#include "roboimi/io/parquet/thrift_reader.h"

namespace roboimi::parquet {
namespace {

// Reads a field of one of these types and returns true, as ThriftReader::structure() expects.
template <typename T>
bool read(ThriftReader& in, T& value) {
  in.read(value);
  return true;
}

bool read(ThriftReader& in, std::optional<std::int32_t>& value) {
  in.read(value.emplace());
  return true;
}

bool read(ThriftReader& in, std::string& value) {
  value = in.binary();
  return true;
}

// The older annotation, ConvertedType.
void read_converted_type(ThriftReader& in, SchemaElement& element) {
  enum { kUtf8 = 0, kList = 3, kEnum = 4, kDecimal = 5, kUint8 = 11, kUint64 = 14, kJson = 19 };
  std::int32_t type = -1;
  in.read(type);
  element.is_text |= type == kUtf8 || type == kEnum || type == kJson;
  element.is_list |= type == kList;
  element.is_decimal |= type == kDecimal;
  element.is_unsigned |= type >= kUint8 && type <= kUint64;
}

// The newer annotation, a union: the number of its only field is the type.
void read_logical_type(ThriftReader& in, SchemaElement& element) {
  enum {
    kString = 1,
    kList = 3,
    kEnum = 4,
    kDecimal = 5,
    kInteger = 10,
    kJson = 12,
    kFloat16 = 15
  };
  in.structure([&](int type) {
    element.is_text |= type == kString || type == kEnum || type == kJson;
    element.is_list |= type == kList;
    element.is_decimal |= type == kDecimal;
    element.is_float16 |= type == kFloat16;
    if (type != kInteger) return false;
    bool is_signed = true;
    in.structure([&](int field) { return field == 2 && read(in, is_signed); });
    element.is_unsigned |= !is_signed;
    return true;
  });
}

SchemaElement read_schema_element(ThriftReader& in) {
  SchemaElement element;
  in.structure([&](int field) {
    switch (field) {
      case 1:
        return read(in, element.type);
      case 2:
        return read(in, element.type_length);
      case 3:
        return read(in, element.repetition);
      case 4:
        return read(in, element.name);
      case 5:
        return read(in, element.num_children);
      case 6:
        read_converted_type(in, element);
        return true;
      case 10:
        read_logical_type(in, element);
        return true;
      default:
        return false;
    }
  });
  return element;
}

void read_column_metadata(ThriftReader& in, ColumnChunk& chunk) {
  in.structure([&](int field) {
    switch (field) {
      case 1:
        return read(in, chunk.type);
      case 4:
        return read(in, chunk.codec);
      case 5:
        return read(in, chunk.num_values);
      case 7:
        return read(in, chunk.compressed_size);
      case 9:
        return read(in, chunk.data_page_offset);
      case 11:
        return read(in, chunk.dictionary_page_offset);
      default:
        return false;
    }
  });
  if (chunk.type < 0 || chunk.codec < 0 || chunk.num_values < 0 || chunk.compressed_size < 0 ||
      chunk.data_page_offset < 0) {
    fail("a column's entry in the footer is incomplete");
  }
}

ColumnChunk read_column_chunk(ThriftReader& in) {
  ColumnChunk chunk;
  bool has_metadata = false;
  in.structure([&](int field) {
    if (field == 1) chunk.is_in_another_file = !in.binary().empty();
    if (field == 3) read_column_metadata(in, chunk);
    chunk.is_encrypted |= field == 8 || field == 9;
    has_metadata |= field == 3;
    return field == 1 || field == 3;
  });
  if (!has_metadata && !chunk.is_encrypted) fail("a column's entry in the footer is incomplete");
  return chunk;
}

RowGroup read_row_group(ThriftReader& in) {
  RowGroup group;
  in.structure([&](int field) {
    if (field == 1) in.list([&] { group.columns.push_back(read_column_chunk(in)); });
    if (field == 3) in.read(group.num_rows);
    return field == 1 || field == 3;
  });
  if (group.num_rows < 0) fail("a row group of the footer has no number of rows");
  return group;
}

void read_key_value(ThriftReader& in, std::map<std::string, std::string>& key_values) {
  std::string key;
  std::string value;
  in.structure([&](int field) {
    if (field == 1) return read(in, key);
    return field == 2 && read(in, value);
  });
  key_values.emplace(std::move(key), std::move(value));
}

void read_data_page_header(ThriftReader& in, PageHeader& header) {
  in.structure([&](int field) {
    switch (field) {
      case 1:
        return read(in, header.num_values);
      case 2:
        return read(in, header.encoding);
      case 3:
        return read(in, header.definition_encoding);
      case 4:
        return read(in, header.repetition_encoding);
      default:
        return false;
    }
  });
}

void read_dictionary_page_header(ThriftReader& in, PageHeader& header) {
  in.structure([&](int field) {
    if (field == 1) return read(in, header.num_values);
    return field == 2 && read(in, header.encoding);
  });
}

void read_data_page_header_v2(ThriftReader& in, PageHeader& header) {
  in.structure([&](int field) {
    switch (field) {
      case 1:
        return read(in, header.num_values);
      case 3:
        return read(in, header.num_rows);
      case 4:
        return read(in, header.encoding);
      case 5:
        return read(in, header.definition_size);
      case 6:
        return read(in, header.repetition_size);
      case 7:
        return read(in, header.is_compressed);
      default:
        return false;
    }
  });
}

template <std::size_t N>
std::string name_of(const std::array<const char*, N>& names, std::int32_t number) {
  if (number >= 0 && number < static_cast<std::int32_t>(N)) {
    return names[static_cast<std::size_t>(number)];
  }
  return "number " + std::to_string(number);
}

}  // namespace

std::string encoding_name(std::int32_t encoding) {
  constexpr std::array kNames = {
      "PLAIN",          "GROUP_VAR_INT",       "PLAIN_DICTIONARY",        "RLE",
      "BIT_PACKED",     "DELTA_BINARY_PACKED", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY",
      "RLE_DICTIONARY", "BYTE_STREAM_SPLIT"};
  return name_of(kNames, encoding);
}

std::string codec_name(std::int32_t codec) {
  constexpr std::array kNames = {"UNCOMPRESSED", "SNAPPY", "GZIP", "LZO",
                                 "BROTLI",       "LZ4",    "ZSTD", "LZ4_RAW"};
  return name_of(kNames, codec);
}

FileMetadata parse_footer(Bytes footer) {
  FileMetadata metadata;
  ThriftReader in(footer);
  in.structure([&](int field) {
    switch (field) {
      case 2:
        in.list([&] { metadata.schema.push_back(read_schema_element(in)); });
        return true;
      case 3:
        return read(in, metadata.num_rows);
      case 4:
        in.list([&] { metadata.row_groups.push_back(read_row_group(in)); });
        return true;
      case 5:
        in.list([&] { read_key_value(in, metadata.key_values); });
        return true;
      default:
        return false;
    }
  });
  if (metadata.num_rows < 0) fail("the footer has no number of rows");
  return metadata;
}

PageHeader take_page_header(Bytes& rest) {
  PageHeader header;
  ThriftReader in(rest);
  in.structure([&](int field) {
    switch (field) {
      case 1:
        return read(in, header.type);
      case 2:
        return read(in, header.uncompressed_size);
      case 3:
        return read(in, header.compressed_size);
      case 4:
        return read(in, header.crc);
      case 5:
        read_data_page_header(in, header);
        return true;
      case 7:
        read_dictionary_page_header(in, header);
        return true;
      case 8:
        read_data_page_header_v2(in, header);
        return true;
      default:
        return false;
    }
  });
  rest = in.rest();
  return header;
}

}  // namespace roboimi::parquet
