#include "plugins/lerobot_dataset/data_files.h"

#include <ATen/ops/tensor.h>

#include <algorithm>

#include "plugins/lerobot_dataset/data_column.h"
#include "roboimi/common/error.h"

namespace roboimi::lerobot_dataset {
namespace {

constexpr std::size_t kMostOpen = 32;                   // files
constexpr std::size_t kMostColumnBytes = 256ull << 20;  // beyond the columns of one file

}  // namespace

std::shared_ptr<const parquet::Reader> DataFiles::open(const std::filesystem::path& file) {
  {
    const std::lock_guard lock(mutex_);
    const auto found =
        std::ranges::find_if(readers_, [&](const auto& reader) { return reader->file() == file; });
    if (found != readers_.end()) {
      readers_.splice(readers_.begin(), readers_, found);
      return readers_.front();
    }
  }
  // Two threads may open the same file; both readers are valid.
  auto opened = std::make_shared<const parquet::Reader>(file);
  const std::lock_guard lock(mutex_);
  readers_.push_front(opened);
  if (readers_.size() > kMostOpen) readers_.pop_back();
  return opened;
}

at::Tensor DataFiles::column(const std::filesystem::path& file, const std::string& name,
                             const std::function<at::Tensor(const parquet::Reader&)>& read) {
  const ColumnKey key(file, name);
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = column_of_.find(key); found != column_of_.end()) {
      columns_.splice(columns_.begin(), columns_, found->second);
      return columns_.front().rows;
    }
  }
  const at::Tensor rows = read(*open(file));
  const std::lock_guard lock(mutex_);
  if (column_of_.contains(key)) return rows;
  columns_.push_front({.key = key, .rows = rows});
  column_of_[key] = columns_.begin();
  column_bytes_ += rows.nbytes();
  while (column_bytes_ > kMostColumnBytes && columns_.back().key.first != file) {
    column_bytes_ -= columns_.back().rows.nbytes();
    column_of_.erase(columns_.back().key);
    columns_.pop_back();
  }
  return rows;
}

bool DataFiles::is_faulty(const ColumnKey& key) {
  const std::lock_guard lock(mutex_);
  return faulty_.contains(key);
}

at::Tensor DataFiles::vectors(const std::filesystem::path& file, const std::string& name,
                              std::int64_t width, std::int64_t first, std::int64_t count) {
  const ColumnKey key(file, name);
  if (!is_faulty(key)) {
    try {
      const at::Tensor all = column(file, name, [&](const parquet::Reader& reader) {
        return DataColumn(reader, name, 0, reader.num_rows()).vectors(width);
      });
      return all.slice(0, first, first + count);
    } catch (const Error&) {
      const std::lock_guard lock(mutex_);
      faulty_.insert(key);
    }
  }
  // The fault may lie in rows of another episode.
  return DataColumn(*open(file), name, first, count).vectors(width);
}

at::Tensor DataFiles::integers(const std::filesystem::path& file, const std::string& name) {
  return column(file, name, [&](const parquet::Reader& reader) {
    std::vector<std::uint8_t> is_bad;
    return at::tensor(DataColumn(reader, name, 0, reader.num_rows()).integers(is_bad), at::kLong);
  });
}

}  // namespace roboimi::lerobot_dataset
