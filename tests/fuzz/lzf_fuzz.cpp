// Fuzzes the decompression of LZF chunks: any input must be refused or give exactly the bytes that
// lzf_size() promises, from the input alone.
#include <cstdlib>
#include <vector>

#include "plugins/hdf5_dataset/lzf_filter.h"

namespace {

using roboimi::hdf5_dataset::lzf_decompress;
using roboimi::hdf5_dataset::lzf_size;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span compressed(data, size);
  const std::optional<std::size_t> plain_size = lzf_size(compressed);
  if (!plain_size) return 0;  // truncated
  // AddressSanitizer sees writes beyond the end. Different fills show bytes that were not written.
  std::vector<std::uint8_t> first(*plain_size, 0x00), second(*plain_size, 0xff);
  const bool is_sound = lzf_decompress(compressed, first.data());
  if (lzf_decompress(compressed, second.data()) != is_sound) std::abort();
  if (is_sound && first != second) std::abort();
  return 0;
}
