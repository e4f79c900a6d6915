// Decoding and encoding of JPEG. libjpeg reports errors with a callback that must not return, so
// this file uses setjmp and longjmp, only in functions without objects that have destructors.
#include <ATen/ATen.h>
#include <jpeglib.h>
#include <setjmp.h>
#include <stdio.h>  // required by jpeglib.h

#include <memory>

#include "roboimi/common/error.h"
#include "roboimi/io/image.h"
#include "roboimi/io/image_check.h"

namespace roboimi {
namespace {

// Generous upper bounds on the size of an encoded image.
constexpr std::int64_t kMaxBytesPerPixel = 6;
constexpr unsigned long kMaxHeaderBytes = 4096;

struct Failure {
  jpeg_error_mgr manager;  // first: libjpeg knows only this part
  jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
};

void fail(j_common_ptr codec) {
  auto* failure = reinterpret_cast<Failure*>(codec->err);
  codec->err->format_message(codec, failure->message);
  longjmp(failure->jump, 1);
}

// Treats level -1 as an error: damaged data, for which libjpeg would make up pixels.
void on_message(j_common_ptr codec, int level) {
  if (level < 0) fail(codec);
}

void prepare(Failure& failure) {
  jpeg_std_error(&failure.manager);
  failure.manager.error_exit = fail;
  failure.manager.emit_message = on_message;
  failure.message[0] = '\0';
}

// Reads the header. Returns false and sets failure.message on error.
bool start_decoding(jpeg_decompress_struct& decoder, Failure& failure,
                    std::span<const std::uint8_t> bytes) {
  if (setjmp(failure.jump)) return false;
  jpeg_create_decompress(&decoder);
  jpeg_mem_src(&decoder, bytes.data(), bytes.size());
  jpeg_read_header(&decoder, TRUE);
  decoder.out_color_space = JCS_RGB;
  decoder.dct_method = JDCT_ISLOW;
  return true;
}

bool decode_rows(jpeg_decompress_struct& decoder, Failure& failure, std::uint8_t* pixels) {
  if (setjmp(failure.jump)) return false;
  jpeg_start_decompress(&decoder);
  while (decoder.output_scanline < decoder.output_height) {
    JSAMPROW row = pixels + std::size_t{3} * decoder.output_width * decoder.output_scanline;
    jpeg_read_scanlines(&decoder, &row, 1);
  }
  jpeg_finish_decompress(&decoder);
  return true;
}

bool encode_rows(jpeg_compress_struct& encoder, Failure& failure, const std::uint8_t* pixels,
                 JDIMENSION height, JDIMENSION width, int quality, unsigned char** bytes,
                 unsigned long* size) {
  if (setjmp(failure.jump)) return false;
  jpeg_create_compress(&encoder);
  jpeg_mem_dest(&encoder, bytes, size);
  encoder.image_height = height;
  encoder.image_width = width;
  encoder.input_components = 3;
  encoder.in_color_space = JCS_RGB;
  jpeg_set_defaults(&encoder);
  jpeg_set_quality(&encoder, quality, TRUE);
  jpeg_start_compress(&encoder, TRUE);
  while (encoder.next_scanline < height) {
    JSAMPROW row =
        const_cast<std::uint8_t*>(pixels) + std::size_t{3} * width * encoder.next_scanline;
    jpeg_write_scanlines(&encoder, &row, 1);
  }
  jpeg_finish_compress(&encoder);
  return true;
}

}  // namespace

at::Tensor decode_jpeg(std::span<const std::uint8_t> bytes) {
  // Set up the decoder.
  jpeg_decompress_struct decoder{};
  Failure failure;
  prepare(failure);
  decoder.err = &failure.manager;
  // jpeg_destroy does nothing on a struct that was zeroed and never created.
  struct Destroy {
    jpeg_decompress_struct* decoder;
    ~Destroy() { jpeg_destroy_decompress(decoder); }
  } destroy{&decoder};
  // Read the header and check the size.
  if (!start_decoding(decoder, failure, bytes)) {
    throw Error(std::string("cannot decode a JPEG: ") + failure.message);
  }
  if (decoder.num_components == 4) {
    throw Error({.what = "cannot decode a JPEG: it has four color channels",
                 .expected = "RGB or gray",
                 .found = "CMYK",
                 .next = "convert the image to RGB"});
  }
  const std::int64_t height = decoder.image_height, width = decoder.image_width;
  if (height * width > kMaxPixels) {
    throw Error({.what = "cannot decode a JPEG: the image is too large",
                 .expected = "at most " + std::to_string(kMaxPixels) + " pixels",
                 .found = std::to_string(width) + "x" + std::to_string(height)});
  }
  // Decode the pixels.
  at::Tensor image = at::empty({height, width, 3}, at::kByte);
  if (!decode_rows(decoder, failure, image.data_ptr<std::uint8_t>())) {
    throw Error(std::string("cannot decode a JPEG: ") + failure.message);
  }
  return image;
}

std::vector<std::uint8_t> encode_jpeg(const at::Tensor& image, int quality) {
  check_image(image, "encode a JPEG");
  const at::Tensor pixels = image.cpu().contiguous();
  jpeg_compress_struct encoder{};
  Failure failure;
  prepare(failure);
  encoder.err = &failure.manager;
  // Allocate a buffer larger than any JPEG of these pixels, so that libjpeg never grows it: if it
  // does and then fails, it leaves a pointer to freed memory.
  const auto padded = [](std::int64_t size) { return (size + 15) / 16 * 16; };
  unsigned long size = static_cast<unsigned long>(kMaxBytesPerPixel * padded(pixels.size(0)) *
                                                  padded(pixels.size(1))) +
                       kMaxHeaderBytes;
  const auto buffer = std::make_unique_for_overwrite<unsigned char[]>(size);
  unsigned char* bytes = buffer.get();
  // Encode.
  const bool done = encode_rows(encoder, failure, pixels.data_ptr<std::uint8_t>(),
                                static_cast<JDIMENSION>(pixels.size(0)),
                                static_cast<JDIMENSION>(pixels.size(1)), quality, &bytes, &size);
  jpeg_destroy_compress(&encoder);
  if (!done) throw Error(std::string("cannot encode a JPEG: ") + failure.message);
  ROBOIMI_CHECK(bytes == buffer.get(), c10::str("a JPEG of ", size, " bytes outgrew its buffer"));
  return {bytes, bytes + size};
}

}  // namespace roboimi
