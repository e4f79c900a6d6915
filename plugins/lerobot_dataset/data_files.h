// The open data files of a dataset, and whole columns of the files that were used last: an episode
// is read several times, and a file holds many episodes.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "roboimi/io/parquet/reader.h"

namespace roboimi::lerobot_dataset {

class DataFiles {
 public:
  std::shared_ptr<const parquet::Reader> open(const std::filesystem::path& file);

  // Rows [first, first + count) of a column of numbers, float [count, width]. A null or a list of
  // another length is an error of its own row: others of the column can be read.
  at::Tensor vectors(const std::filesystem::path& file, const std::string& column,
                     std::int64_t width, std::int64_t first, std::int64_t count);
  // All rows of a column of integers, int64 [N]; 0 in rows without one, which are in no run.
  at::Tensor integers(const std::filesystem::path& file, const std::string& column);

 private:
  using ColumnKey = std::pair<std::filesystem::path, std::string>;  // file, column
  struct Column {
    ColumnKey key;
    at::Tensor rows;
  };
  at::Tensor column(const std::filesystem::path& file, const std::string& name,
                    const std::function<at::Tensor(const parquet::Reader&)>& read);
  bool is_faulty(const ColumnKey& key);

  std::mutex mutex_;
  std::list<std::shared_ptr<const parquet::Reader>> readers_;  // the last used first
  std::list<Column> columns_;                                  // the last used first
  std::map<ColumnKey, std::list<Column>::iterator> column_of_;
  std::set<ColumnKey> faulty_;  // columns with a row that does not fit
  std::size_t column_bytes_ = 0;
};

}  // namespace roboimi::lerobot_dataset
