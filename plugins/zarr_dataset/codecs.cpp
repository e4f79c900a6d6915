#include "plugins/zarr_dataset/codecs.h"

#include <ATen/ATen.h>
#include <blosc.h>
#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>

#include "roboimi/common/error.h"

namespace roboimi::zarr_dataset {
namespace {

using Input = std::span<const std::uint8_t>;
using Output = std::span<std::uint8_t>;

// Why a chunk cannot be decompressed; empty if it was.
using Fault = std::string;

Fault wrong_size(std::uint64_t found) {
  return fmt::format("it holds {} bytes when decompressed", found);
}

Fault copy_plain(Input input, Output output) {
  if (input.size() != output.size()) return fmt::format("it holds {} bytes", input.size());
  std::memcpy(output.data(), input.data(), input.size());
  return "";
}

Fault decompress_blosc(Input input, Output output) {
  // The header is checked first: decompression reads as many bytes as it states.
  std::size_t size = 0;
  if (input.size() < BLOSC_MIN_HEADER_LENGTH ||
      blosc_cbuffer_validate(input.data(), input.size(), &size) < 0) {
    return "its blosc header is damaged, or the chunk is truncated";
  }
  if (size != output.size()) return wrong_size(size);
  const int written = blosc_decompress_ctx(input.data(), output.data(), output.size(), 1);
  if (written >= 0 && static_cast<std::size_t>(written) == output.size()) return "";
  const char* const library = blosc_cbuffer_complib(input.data());
  return fmt::format("blosc cannot decompress it ({} inside blosc)",
                     library == nullptr ? "an unknown codec" : library);
}

// zlib's format and gzip's, which are distinguished by their headers.
Fault decompress_zlib(Input input, Output output) {
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 32) != Z_OK) return "zlib has no memory";
  stream.next_in = const_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = output.data();
  stream.avail_out = static_cast<uInt>(output.size());
  const int state = inflate(&stream, Z_FINISH);
  const std::uint64_t written = stream.total_out;
  const std::string reason =
      stream.msg == nullptr ? "the chunk is truncated or too long" : stream.msg;
  inflateEnd(&stream);
  if (state != Z_STREAM_END) return "zlib cannot decompress it: " + reason;
  return written == output.size() ? "" : wrong_size(written);
}

Fault decompress_zstd(Input input, Output output) {
  const std::size_t written =
      ZSTD_decompress(output.data(), output.size(), input.data(), input.size());
  if (ZSTD_isError(written) != 0) {
    return fmt::format("zstd cannot decompress it: {}", ZSTD_getErrorName(written));
  }
  return written == output.size() ? "" : wrong_size(written);
}

using Decompressor = Fault (*)(Input, Output);

const std::map<std::string, Decompressor>& decompressors() {
  static const std::map<std::string, Decompressor> known = {{"", copy_plain},
                                                            {"blosc", decompress_blosc},
                                                            {"zlib", decompress_zlib},
                                                            {"gzip", decompress_zlib},
                                                            {"zstd", decompress_zstd}};
  return known;
}

}  // namespace

bool is_known_codec(const std::string& id) { return decompressors().contains(id); }

at::Tensor decompress(const std::string& codec, Input bytes, std::int64_t size,
                      const std::string& where) {
  ROBOIMI_CHECK(is_known_codec(codec), codec);
  at::Tensor output = at::empty({size}, at::kByte);
  Fault fault = "it is empty";
  if (bytes.size() > std::numeric_limits<uInt>::max()) {
    fault = fmt::format("it holds {} bytes", bytes.size());
  } else if (!bytes.empty()) {
    fault = decompressors().at(codec)(
        bytes, {output.data_ptr<std::uint8_t>(), static_cast<std::size_t>(size)});
  }
  if (fault.empty()) return output;
  throw Error({.what = "the chunk is damaged",
               .where = where,
               .expected = fmt::format("{} bytes when decompressed", size),
               .found = fault,
               .next = "copy the dataset again"});
}

}  // namespace roboimi::zarr_dataset
