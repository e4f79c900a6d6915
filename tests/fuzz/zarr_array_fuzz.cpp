// Fuzzes the reader of zarr arrays: any description and any chunk must give an Error or rows of the
// stated shape. An input is a .zarray, a zero byte, and the bytes of every chunk.
#include <ATen/ATen.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string>

#include "plugins/zarr_dataset/zarr_array.h"
#include "roboimi/common/error.h"

namespace {

using namespace roboimi::zarr_dataset;

constexpr std::int64_t kMostBytes = 16 << 20;  // larger arrays would only take time

class InputStore : public Store {
 public:
  InputStore(Bytes description, Bytes chunk)
      : Store("input"), description_(std::move(description)), chunk_(std::move(chunk)) {}

  bool has(const std::string&) const override { return true; }
  std::optional<Bytes> read(const std::string& key, std::uint64_t max_size) const override {
    const Bytes& bytes = key.ends_with(".zarray") ? description_ : chunk_;
    if (bytes.size() > max_size) throw roboimi::Error("the entry is too large");
    return bytes;
  }
  std::vector<std::string> children(const std::string&) const override { return {}; }
  std::filesystem::path file_of(const std::string&) const override { return path(); }
  std::string where(const std::string& key) const override { return key; }

 private:
  Bytes description_, chunk_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::uint8_t* const end = std::find(data, data + size, 0);
  const std::uint8_t* const chunk = end == data + size ? end : end + 1;
  const InputStore store({data, end}, {chunk, data + size});
  try {
    const ArrayInfo info = read_array_info(store, "data/img");
    std::int64_t bytes = info.item_size();
    for (const std::int64_t n : info.shape) bytes *= n;
    if (std::max(bytes, info.chunk_bytes()) > kMostBytes) return 0;
    std::int64_t chunks = 1;
    for (std::size_t i = 0; i < info.shape.size(); ++i)
      chunks *= info.shape[i] / info.chunks[i] + 1;
    if (chunks > 1000) return 0;
    const ZarrArray array(store, info, MissingChunks::kError);
    for (const at::ScalarType dtype : {at::kFloat, at::kByte, at::kLong}) {
      const at::Tensor rows = array.read(0, info.shape[0], dtype);
      if (rows.sizes() != at::IntArrayRef(info.shape)) std::abort();
    }
  } catch (const roboimi::Error&) {
  }
  return 0;
}
