// Reading of rows from one array of a zarr store. At most one decoded chunk is kept in memory.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "plugins/zarr_dataset/array_info.h"
#include "plugins/zarr_dataset/store.h"
#include "roboimi/common/error.h"

namespace roboimi::zarr_dataset {

// What to do about a chunk that is not in the store. According to the format, such a chunk holds
// the array's fill_value, but in practice the copy is usually incomplete.
enum class MissingChunks { kError, kFill };

// Why an array cannot be read: its codec or a filter is not known. Empty if it can.
std::optional<Error::Parts> codec_fault(const Store& store, const ArrayInfo& info);

// Const members are safe to call from several threads at once.
class ZarrArray {
 public:
  // Throws Error if the array has a codec or a filter that is not known. `store` must outlive this.
  ZarrArray(const Store& store, ArrayInfo info, MissingChunks missing);

  const ArrayInfo& info() const { return info_; }

  // Throws Error for the first chunk of rows [first, first + count) that is missing, unless missing
  // chunks are filled.
  void check_chunks(std::int64_t first, std::int64_t count) const;

  // Rows [first, first + count), which must exist, converted to `dtype`. To become bytes, values of
  // other dtypes must be whole numbers from 0 to 255; anything else is an Error.
  at::Tensor read(std::int64_t first, std::int64_t count, at::ScalarType dtype) const;

  // The files that hold the array.
  std::vector<std::filesystem::path> files() const;

 private:
  using Index = std::vector<std::int64_t>;  // of a chunk in the grid of chunks

  void for_each_chunk(std::int64_t first, std::int64_t count,
                      const std::function<void(const Index&)>& visit) const;
  std::string key(const Index& index, char separator) const;
  std::string existing_key(const Index& index) const;  // empty: missing
  [[noreturn]] void fail_missing(const Index& index) const;
  at::Tensor chunk(const Index& index) const;
  at::Tensor load(const Index& index) const;
  void add_chunk_files(const std::string& group, std::size_t depth,
                       std::set<std::filesystem::path>& files) const;
  void copy_part(const Index& index, std::int64_t first, at::Tensor& rows) const;

  const Store& store_;
  ArrayInfo info_;
  MissingChunks missing_;
  mutable std::mutex mutex_;
  mutable Index cached_index_;
  mutable at::Tensor cached_chunk_;
};

}  // namespace roboimi::zarr_dataset
