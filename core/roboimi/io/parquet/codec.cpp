#include "roboimi/io/parquet/codec.h"

#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <limits>
#include <memory>

#include "roboimi/io/parquet/metadata.h"

namespace roboimi::parquet {
namespace {

constexpr std::size_t kFirstGuess = 1 << 16;  // bytes
constexpr std::size_t kUsualRatio = 16;

[[noreturn]] void fail_codec(const char* codec, const std::string& found = "") {
  fail(std::string("the ") + codec + " data is damaged", "", found);
}

[[noreturn]] void fail_size(std::size_t size, const std::string& found) {
  fail("the decompressed size is wrong", std::to_string(size) + " bytes, as the page states",
       found);
}

// Output that grows towards `size` only as it is filled.
class Growing {
 public:
  Growing(std::vector<std::uint8_t>& out, std::size_t size, std::size_t compressed)
      : out_(out), size_(size) {
    grow_to(std::max(kFirstGuess, compressed * kUsualRatio));
  }

  std::uint8_t* position() { return out_.data() + filled_; }
  std::size_t space() const { return std::min(size_, out_.size()) - filled_; }
  std::size_t filled() const { return filled_; }
  bool is_complete() const { return filled_ == size_; }
  void add(std::size_t bytes) {
    filled_ += bytes;
    if (space() == 0) grow_to(2 * filled_);
  }

 private:
  void grow_to(std::size_t bytes) {
    bytes = std::min(bytes, size_);
    if (out_.size() < bytes) out_.resize(bytes);
  }

  std::vector<std::uint8_t>& out_;
  std::size_t size_;
  std::size_t filled_ = 0;
};

void decompress_snappy(Bytes data, std::size_t size, std::vector<std::uint8_t>& out) {
  const char* input = reinterpret_cast<const char*>(data.data());
  std::size_t stated = 0;
  if (!snappy::GetUncompressedLength(input, data.size(), &stated)) fail_codec("snappy");
  if (stated != size) fail_size(size, std::to_string(stated));
  // An element of three bytes gives at most 64 bytes.
  if (size / 64 > data.size() / 3 + 1) fail_codec("snappy", "too few for the stated size");
  if (out.size() < size) out.resize(size);
  if (!snappy::RawUncompress(input, data.size(), reinterpret_cast<char*>(out.data()))) {
    fail_codec("snappy");
  }
}

void decompress_gzip(Bytes data, std::size_t size, std::vector<std::uint8_t>& out) {
  // 32: detects the headers of gzip and zlib.
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 32) != Z_OK) throw std::bad_alloc();
  const std::unique_ptr<z_stream, void (*)(z_stream*)> guard(&stream,
                                                             [](z_stream* s) { inflateEnd(s); });
  Growing output(out, size, data.size());
  stream.next_in = const_cast<Bytef*>(data.data());
  stream.avail_in = static_cast<uInt>(data.size());
  for (;;) {
    std::uint8_t none = 0;
    const std::size_t space = output.space();
    stream.next_out = space > 0 ? output.position() : &none;
    stream.avail_out = static_cast<uInt>(space);
    const int status = inflate(&stream, Z_NO_FLUSH);
    const std::size_t written = space - stream.avail_out;
    output.add(written);
    if (status == Z_STREAM_END) {
      if (stream.avail_in == 0) break;
      // A file of several gzip members.
      if (inflateReset(&stream) != Z_OK) fail_codec("gzip");
      continue;
    }
    if (status == Z_BUF_ERROR && output.is_complete() && stream.avail_in > 0) {
      fail_size(size, "more");
    }
    if (status != Z_OK) fail_codec("gzip");
    if (written == 0 && stream.avail_in == 0) fail_codec("gzip", "its end is missing");
  }
  if (!output.is_complete()) fail_size(size, std::to_string(output.filled()));
}

void decompress_zstd(Bytes data, std::size_t size, std::vector<std::uint8_t>& out) {
  const std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(),
                                                                        ZSTD_freeDCtx);
  if (context == nullptr) throw std::bad_alloc();
  Growing output(out, size, data.size());
  ZSTD_inBuffer input{data.data(), data.size(), 0};
  // Ends with the last frame.
  for (;;) {
    std::uint8_t none = 0;
    const std::size_t space = output.space();
    ZSTD_outBuffer buffer{space > 0 ? output.position() : &none, space, 0};
    const std::size_t before = input.pos;
    const std::size_t status = ZSTD_decompressStream(context.get(), &buffer, &input);
    if (ZSTD_isError(status)) fail_codec("zstd", ZSTD_getErrorName(status));
    output.add(buffer.pos);
    if (status == 0 && input.pos == input.size) break;
    if (buffer.pos > 0 || input.pos > before) continue;
    if (output.is_complete()) fail_size(size, "more");
    fail_codec("zstd", "its end is missing");
  }
  if (!output.is_complete()) fail_size(size, std::to_string(output.filled()));
}

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
  return codec == kUncompressed || codec == kSnappyCodec || codec == kGzipCodec ||
         codec == kZstdCodec;
}

Bytes decompress(std::int32_t codec, Bytes data, std::size_t size, std::vector<std::uint8_t>& out) {
  // No codec accepts empty input, but writers store it for pages without values.
  if (codec == kUncompressed || (data.empty() && size == 0)) {
    if (data.size() != size) fail_size(size, std::to_string(data.size()));
    return data;
  }
  if (codec == kSnappyCodec) decompress_snappy(data, size, out);
  if (codec == kGzipCodec) decompress_gzip(data, size, out);
  if (codec == kZstdCodec) decompress_zstd(data, size, out);
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
