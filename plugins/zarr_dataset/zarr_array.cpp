#include "plugins/zarr_dataset/zarr_array.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "plugins/zarr_dataset/codecs.h"
#include "roboimi/common/error.h"
#include "roboimi/common/text.h"

namespace roboimi::zarr_dataset {
namespace {

constexpr std::uint64_t kCodecOverhead = 1 << 20;  // bytes that compression may add to a chunk

// Reverses the bytes of every element.
void swap_bytes(at::Tensor& bytes, std::int64_t item_size) {
  std::uint8_t* const start = bytes.data_ptr<std::uint8_t>();
  for (std::int64_t i = 0; i + item_size <= bytes.numel(); i += item_size) {
    std::reverse(start + i, start + i + item_size);
  }
}

// Decoded bytes as a tensor of the chunk's shape.
at::Tensor shaped(at::Tensor bytes, const ArrayInfo& info) {
  if (info.is_big_endian) swap_bytes(bytes, info.item_size());
  const at::Tensor flat = bytes.view(info.dtype);
  if (!info.is_column_major) return flat.view(info.chunks);
  // The first index varies fastest: view the reversed shape, then reverse the dimensions.
  std::vector<std::int64_t> sizes(info.chunks.rbegin(), info.chunks.rend()), order;
  for (std::size_t i = sizes.size(); i-- > 0;) order.push_back(static_cast<std::int64_t>(i));
  return flat.view(sizes).permute(order);
}

// The values as bytes, or an undefined tensor if one is not a whole number from 0 to 255.
at::Tensor as_bytes(const at::Tensor& values) {
  const at::Tensor floats = values.to(at::kFloat).contiguous();
  at::Tensor bytes = at::empty(floats.sizes(), at::kByte);
  const float* const from = floats.const_data_ptr<float>();
  std::uint8_t* const to = bytes.data_ptr<std::uint8_t>();
  bool fits = true;
  for (std::int64_t i = 0; i < floats.numel(); ++i) {
    // Clamped first, because the conversion of a larger float is undefined. NaN becomes 0.
    to[i] = static_cast<std::uint8_t>(from[i] > 0.0F ? std::min(from[i], 255.0F) : 0.0F);
    fits &= static_cast<float>(to[i]) == from[i];
  }
  return fits ? bytes : at::Tensor();
}

}  // namespace

std::optional<Error::Parts> codec_fault(const Store& store, const ArrayInfo& info) {
  std::string unknown = is_known_codec(info.codec) ? "" : info.codec;
  if (!info.filters.empty()) unknown = "the filter " + info.filters.front();
  if (unknown.empty()) return std::nullopt;
  return Error::Parts{
      .what = fmt::format("array '{}' is stored with a codec that is not known", info.name),
      .where = store.where(info.name + "/.zarray"),
      .expected = fmt::format("one of {}, without filters", kKnownCodecs),
      .found = printable(unknown),
      .next = "save the array again with one of them, or leave it out"};
}

ZarrArray::ZarrArray(const Store& store, ArrayInfo info, MissingChunks missing)
    : store_(store), info_(std::move(info)), missing_(missing) {
  if (const auto fault = codec_fault(store_, info_)) throw Error(*fault);
}

void ZarrArray::for_each_chunk(std::int64_t first, std::int64_t count,
                               const std::function<void(const Index&)>& visit) const {
  if (count <= 0 || std::ranges::count(info_.shape, 0) > 0) return;
  Index index(info_.shape.size(), 0);
  const std::int64_t last_row = (first + count - 1) / info_.chunks[0];
  index[0] = first / info_.chunks[0];
  while (index[0] <= last_row) {
    visit(index);
    // Count like an odometer: the last dimension fastest.
    std::size_t dim = index.size() - 1;
    while (dim > 0 && (index[dim] + 1) * info_.chunks[dim] >= info_.shape[dim]) index[dim--] = 0;
    ++index[dim];
  }
}

std::string ZarrArray::key(const Index& index, char separator) const {
  return fmt::format("{}/{}", info_.name, fmt::join(index, std::string(1, separator)));
}

// Old versions of zarr wrote nested chunks without a dimension_separator, so both names are tried.
std::string ZarrArray::existing_key(const Index& index) const {
  const char other = info_.separator == '.' ? '/' : '.';
  for (const char separator : {info_.separator, other}) {
    std::string name = key(index, separator);
    if (store_.has(name)) return name;
  }
  return "";
}

void ZarrArray::fail_missing(const Index& index) const {
  const std::string name = key(index, info_.separator);
  // Only the arrays of data/ are filled.
  std::string next = "copy the dataset again";
  if (info_.name.starts_with("data/")) {
    next +=
        "; if it was saved without chunks that hold only the fill value, set "
        "data.missing_chunks=fill";
  }
  throw Error({.what = fmt::format("chunk {} of array '{}' is missing",
                                   name.substr(info_.name.size() + 1), info_.name),
               .where = store_.where(name),
               .expected = fmt::format("{} in chunks of [{}]", info_.describe(),
                                       fmt::join(info_.chunks, ", ")),
               .next = next});
}

void ZarrArray::check_chunks(std::int64_t first, std::int64_t count) const {
  if (missing_ == MissingChunks::kFill) return;
  for_each_chunk(first, count, [&](const Index& index) {
    if (existing_key(index).empty()) fail_missing(index);
  });
}

at::Tensor ZarrArray::load(const Index& index) const {
  const std::string name = existing_key(index);
  const auto size = static_cast<std::uint64_t>(info_.chunk_bytes());
  const auto bytes = name.empty() ? std::nullopt : store_.read(name, size + kCodecOverhead);
  if (bytes) {
    return shaped(decompress(info_.codec, *bytes, info_.chunk_bytes(), store_.where(name)), info_);
  }
  if (missing_ == MissingChunks::kError) fail_missing(index);
  // One element, expanded, so that a chunk that does not exist takes no memory.
  return at::full({1}, info_.fill_value, at::kDouble).to(info_.dtype).expand(info_.chunks);
}

at::Tensor ZarrArray::chunk(const Index& index) const {
  {
    const std::lock_guard lock(mutex_);
    if (cached_index_ == index) return cached_chunk_;
    cached_chunk_ = at::Tensor();  // frees the old chunk before the new one is decoded
    cached_index_.clear();
  }
  at::Tensor loaded = load(index);
  const std::lock_guard lock(mutex_);
  cached_index_ = index;
  cached_chunk_ = loaded;
  return loaded;
}

// Copies the part of a chunk that belongs to `rows`, whose first row is row `first` of the array.
void ZarrArray::copy_part(const Index& index, std::int64_t first, at::Tensor& rows) const {
  at::Tensor source = chunk(index), target = rows;
  for (std::size_t dim = 0; dim < index.size(); ++dim) {
    const auto d = static_cast<std::int64_t>(dim);
    const std::int64_t start = dim == 0 ? first : 0;  // of `rows` in the array
    const std::int64_t chunk_start = index[dim] * info_.chunks[dim];
    const std::int64_t from = std::max(start, chunk_start);
    const std::int64_t to =
        std::min({start + rows.size(d), chunk_start + info_.chunks[dim], info_.shape[dim]});
    source = source.narrow(d, from - chunk_start, to - from);
    target = target.narrow(d, from - start, to - from);
  }
  if (rows.scalar_type() == at::kByte && info_.dtype != at::kByte) {
    const at::Tensor bytes = as_bytes(source);
    if (!bytes.defined()) {
      const at::Tensor values = source.to(at::kDouble);
      throw Error({.what = fmt::format("array '{}' does not hold images", info_.name),
                   .where = store_.where(key(index, info_.separator)),
                   .expected = "whole numbers from 0 to 255",
                   .found = fmt::format("{} from {:.6g} to {:.6g}", info_.dtype_name,
                                        values.min().item<double>(), values.max().item<double>()),
                   .next = "save the images as uint8: (255 * images).round().astype('uint8') if "
                           "they are 0..1"});
    }
    source = bytes;
  }
  target.copy_(source);
}

at::Tensor ZarrArray::read(std::int64_t first, std::int64_t count, at::ScalarType dtype) const {
  ROBOIMI_CHECK(first >= 0 && count >= 0 && count <= info_.shape[0] - first,
                fmt::format("{} rows from {}", count, first));
  std::vector<std::int64_t> sizes = info_.shape;
  sizes[0] = count;
  at::Tensor rows = at::empty(sizes, dtype);
  for_each_chunk(first, count, [&](const Index& index) { copy_part(index, first, rows); });
  return rows;
}

// Entries below the array's folder are counted, not the chunks of its shape, which may have more of
// them than could be visited.
std::vector<std::filesystem::path> ZarrArray::files() const {
  std::set<std::filesystem::path> files = {store_.file_of(info_.name + "/.zarray")};
  add_chunk_files(info_.name, info_.shape.size(), files);
  return {files.begin(), files.end()};
}

// Adds the files of chunks in a group: "0.0" in a flat one, "0/0" nested up to `depth` levels.
void ZarrArray::add_chunk_files(const std::string& group, std::size_t depth,
                                std::set<std::filesystem::path>& files) const {
  constexpr std::string_view kOfChunks = "0123456789.";
  for (const std::string& child : store_.children(group)) {
    if (child.find_first_not_of(kOfChunks) != std::string::npos) continue;
    const std::string name = group + "/" + child;
    if (store_.has(name)) {
      files.insert(store_.file_of(name));
    } else if (depth > 1) {
      add_chunk_files(name, depth - 1, files);
    }
  }
}

}  // namespace roboimi::zarr_dataset
