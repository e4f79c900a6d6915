#include "roboimi/io/parquet/codec.h"

#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <memory>
#include <new>

#include "roboimi/io/parquet/decompressors.h"
#include "roboimi/io/parquet/metadata.h"

namespace roboimi::parquet {
namespace {

std::string compress_gzip(std::string_view data) {
  // 16: with the header of gzip.
  z_stream stream{};
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) !=
      Z_OK) {
    throw std::bad_alloc();
  }
  const std::unique_ptr<z_stream, void (*)(z_stream*)> guard(&stream,
                                                             [](z_stream* s) { deflateEnd(s); });
  std::string out(deflateBound(&stream, data.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) fail("gzip cannot compress a page");
  out.resize(out.size() - stream.avail_out);
  return out;
}

std::string compress_zstd(std::string_view data) {
  constexpr int kLevel = 3;  // zstd's default
  std::string out(ZSTD_compressBound(data.size()), '\0');
  const std::size_t size = ZSTD_compress(out.data(), out.size(), data.data(), data.size(), kLevel);
  if (ZSTD_isError(size)) fail("zstd cannot compress a page", "", ZSTD_getErrorName(size));
  out.resize(size);
  return out;
}

}  // namespace

bool is_known_codec(std::int32_t codec) {
  constexpr std::int32_t kKnown[] = {kUncompressed, kSnappyCodec, kGzipCodec,  kBrotliCodec,
                                     kLz4Codec,     kZstdCodec,   kLz4RawCodec};
  return std::ranges::find(kKnown, codec) != std::end(kKnown);
}

Bytes decompress(std::int32_t codec, Bytes data, std::size_t size, std::vector<std::uint8_t>& out) {
  // No codec accepts empty input, but writers store it for pages without values.
  if (codec == kUncompressed || (data.empty() && size == 0)) {
    if (data.size() != size) fail_size(size, std::to_string(data.size()));
    return data;
  }
  if (codec == kSnappyCodec) decompress_snappy(data, size, out);
  if (codec == kGzipCodec) decompress_gzip(data, size, out);
  if (codec == kBrotliCodec) decompress_brotli(data, size, out);
  if (codec == kLz4Codec) decompress_lz4(data, size, out);
  if (codec == kZstdCodec) decompress_zstd(data, size, out);
  if (codec == kLz4RawCodec) decompress_lz4_raw(data, size, out);
  return Bytes(out).first(size);
}

std::string compress(std::int32_t codec, std::string_view data) {
  if (codec == kGzipCodec) return compress_gzip(data);
  if (codec == kZstdCodec) return compress_zstd(data);
  if (codec == kUncompressed) return std::string(data);
  std::string out;
  snappy::Compress(data.data(), data.size(), &out);
  return out;
}

}  // namespace roboimi::parquet
