#include "roboimi/io/parquet/decompressors.h"

#include <brotli/decode.h>
#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include <memory>
#include <new>

#include "roboimi/io/parquet/growing_output.h"

namespace roboimi::parquet {

void fail_codec(const char* codec, const std::string& found) {
  fail(std::string("the ") + codec + " data is damaged", "", found);
}

void fail_size(std::size_t size, const std::string& found) {
  fail("the decompressed size is wrong", std::to_string(size) + " bytes, as the page states",
       found);
}

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
  GrowingOutput output(out, size, data.size());
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

void decompress_brotli(Bytes data, std::size_t size, std::vector<std::uint8_t>& out) {
  const std::unique_ptr<BrotliDecoderState, void (*)(BrotliDecoderState*)> state(
      BrotliDecoderCreateInstance(nullptr, nullptr, nullptr), BrotliDecoderDestroyInstance);
  if (state == nullptr) throw std::bad_alloc();
  GrowingOutput output(out, size, data.size());
  std::size_t left = data.size();
  const std::uint8_t* input = data.data();
  for (;;) {
    std::uint8_t none = 0;
    const std::size_t before = output.space();
    std::size_t space = before;
    std::uint8_t* position = space > 0 ? output.position() : &none;
    const BrotliDecoderResult result =
        BrotliDecoderDecompressStream(state.get(), &left, &input, &space, &position, nullptr);
    output.add(before - space);
    if (result == BROTLI_DECODER_RESULT_SUCCESS) break;
    if (result == BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT)
      fail_codec("brotli", "its end is missing");
    if (result == BROTLI_DECODER_RESULT_ERROR) {
      fail_codec("brotli", BrotliDecoderErrorString(BrotliDecoderGetErrorCode(state.get())));
    }
    if (output.is_complete()) fail_size(size, "more");
  }
  if (left > 0) fail_codec("brotli", "bytes behind its end");
  if (!output.is_complete()) fail_size(size, std::to_string(output.filled()));
}

void decompress_zstd(Bytes data, std::size_t size, std::vector<std::uint8_t>& out) {
  const std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(),
                                                                        ZSTD_freeDCtx);
  if (context == nullptr) throw std::bad_alloc();
  GrowingOutput output(out, size, data.size());
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

}  // namespace roboimi::parquet
