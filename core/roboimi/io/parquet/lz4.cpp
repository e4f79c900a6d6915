#include <lz4.h>
#include <lz4frame.h>

#include <memory>
#include <new>

#include "roboimi/io/parquet/decompressors.h"
#include "roboimi/io/parquet/growing_output.h"

namespace roboimi::parquet {
namespace {

constexpr std::size_t kMaxRatio = 255;  // of a block

bool is_plausible(std::size_t size, std::size_t compressed) {
  return size / kMaxRatio <= compressed && size <= LZ4_MAX_INPUT_SIZE &&
         compressed <= LZ4_MAX_INPUT_SIZE;
}

// Decompresses a block to at most `space` bytes. Returns their number, or a negative number.
std::int64_t decompress_block(Bytes block, std::uint8_t* out, std::size_t space) {
  return LZ4_decompress_safe(reinterpret_cast<const char*>(block.data()),
                             reinterpret_cast<char*>(out), static_cast<int>(block.size()),
                             static_cast<int>(space));
}

std::uint32_t big_endian(Bytes data) {
  return std::uint32_t{data[0]} << 24 | std::uint32_t{data[1]} << 16 | std::uint32_t{data[2]} << 8 |
         data[3];
}

// Frames of Hadoop: the size of the data, and then blocks, each after its size, until the data is
// complete. Returns false if the data has another form.
bool decompress_hadoop(Bytes data, std::size_t size, std::uint8_t* out) {
  constexpr std::size_t kSize = sizeof(std::uint32_t);
  std::size_t filled = 0;
  while (!data.empty()) {
    if (data.size() < kSize) return false;
    const std::size_t frame = big_endian(data);
    data = data.subspan(kSize);
    if (frame > size - filled) return false;
    for (const std::size_t end = filled + frame; filled < end;) {
      if (data.size() < kSize) return false;
      const std::size_t compressed = big_endian(data);
      data = data.subspan(kSize);
      if (compressed > data.size()) return false;
      const std::int64_t written =
          decompress_block(data.first(compressed), out + filled, end - filled);
      if (written <= 0) return false;
      data = data.subspan(compressed);
      filled += static_cast<std::size_t>(written);
    }
  }
  return filled == size;
}

// Frames as the program lz4 writes them.
void decompress_frames(Bytes data, std::size_t size, std::vector<std::uint8_t>& out) {
  LZ4F_dctx* created = nullptr;
  if (LZ4F_isError(LZ4F_createDecompressionContext(&created, LZ4F_VERSION))) throw std::bad_alloc();
  const std::unique_ptr<LZ4F_dctx, LZ4F_errorCode_t (*)(LZ4F_dctx*)> context(
      created, LZ4F_freeDecompressionContext);
  GrowingOutput output(out, size, data.size());
  for (;;) {
    std::uint8_t none = 0;
    std::size_t written = output.space();
    std::size_t consumed = data.size();
    const std::size_t hint = LZ4F_decompress(context.get(), written > 0 ? output.position() : &none,
                                             &written, data.data(), &consumed, nullptr);
    if (LZ4F_isError(hint)) fail_codec("LZ4", LZ4F_getErrorName(hint));
    output.add(written);
    data = data.subspan(consumed);
    if (hint == 0 && data.empty()) break;
    if (written > 0 || consumed > 0) continue;
    if (output.is_complete()) fail_size(size, "more");
    fail_codec("LZ4", "its end is missing");
  }
  if (!output.is_complete()) fail_size(size, std::to_string(output.filled()));
}

}  // namespace

void decompress_lz4_raw(Bytes data, std::size_t size, std::vector<std::uint8_t>& out) {
  if (!is_plausible(size, data.size())) fail_codec("LZ4", "too few bytes for the stated size");
  if (out.size() < size) out.resize(size);
  const std::int64_t written = decompress_block(data, out.data(), size);
  if (written < 0) fail_codec("LZ4");
  if (static_cast<std::size_t>(written) != size) fail_size(size, std::to_string(written));
}

void decompress_lz4(Bytes data, std::size_t size, std::vector<std::uint8_t>& out) {
  constexpr std::uint32_t kFrameStart = 0x184d2204;
  if (data.size() > sizeof(kFrameStart) && load<std::uint32_t>(data.data()) == kFrameStart) {
    return decompress_frames(data, size, out);
  }
  if (!is_plausible(size, data.size())) fail_codec("LZ4", "too few bytes for the stated size");
  if (out.size() < size) out.resize(size);
  if (!decompress_hadoop(data, size, out.data())) decompress_lz4_raw(data, size, out);
}

}  // namespace roboimi::parquet
