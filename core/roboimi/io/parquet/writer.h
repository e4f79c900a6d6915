// A writer of Apache Parquet files, which Reader, pyarrow, pandas and LeRobot read.
//
//   parquet::Writer writer("data/chunk-000/file-000.parquet",
//                          {{.name = "action", .type = Type::kFloat, .list_depth = 1},
//                           {.name = "timestamp", .type = Type::kFloat}},
//                          {.metadata = {{"huggingface", json}}});
//   writer.add_row_group({actions, times});   // once per episode, for example
//   writer.close();
//
// Columns are written with a dictionary where it makes them smaller, else PLAIN, in pages of
// version
// 1. The file appears under its name complete or not at all, when close() has succeeded. Throws
// Error if the disk is full.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/io/parquet/reader.h"

namespace roboimi::parquet {

enum class Codec { kNone, kSnappy, kGzip, kZstd };

struct WriterOptions {
  Codec codec = Codec::kSnappy;
  // Key-value metadata of the footer. Readers of pandas need "pandas" to find the index column.
  std::map<std::string, std::string> metadata = {};
  // Names of structs: consecutive columns STRUCT.MEMBER are the members of STRUCT.
  std::set<std::string> structs = {};
  std::int64_t page_bytes = 1 << 20;  // of a page, before compression
};

class ROBOIMI_EXPORT Writer {
 public:
  // A '.' in a name is part of the name, unless WriterOptions::structs has the part before it.
  Writer(const std::filesystem::path& file, std::vector<Column> columns,
         WriterOptions options = {});
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // Appends rows: the values of every column, in the order of the columns. Throws Error if their
  // types, depths or numbers of rows do not fit.
  void add_row_group(const std::vector<Values>& columns);
  // Bytes written so far.
  std::int64_t size() const;
  void close();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace roboimi::parquet
