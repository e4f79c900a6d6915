#include "roboimi/io/image.h"

#include <gmock/gmock.h>

#include <cmath>

#include "roboimi/common/files.h"
#include "tests/unit/io/io_test_support.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;

class Image : public InFolder {};

// Smooth colours that JPEG keeps well. uint8 [height, width, 3].
at::Tensor gradient(std::int64_t height, std::int64_t width) {
  const at::Tensor y = at::linspace(0, 255, height).view({height, 1, 1});
  const at::Tensor x = at::linspace(0, 255, width).view({1, width, 1});
  const at::Tensor one = at::ones({height, width, 1});
  return at::cat({y * one, x * one, 100 * one}, 2).to(at::kByte);
}

TEST_F(Image, PngKeepsEveryPixel) {
  const at::Tensor picture = gradient(31, 17);
  write_png(folder_ / "a.png", picture);
  EXPECT_TRUE(at::equal(read_png(folder_ / "a.png"), picture));
  EXPECT_EQ(num_entries(), 1);
  const at::Tensor turned = picture.permute({1, 0, 2});
  write_png(folder_ / "b.png", turned);
  EXPECT_TRUE(at::equal(read_png(folder_ / "b.png"), turned.contiguous()));
}

TEST_F(Image, ADamagedPngIsAnError) {
  write_png(folder_ / "a.png", gradient(31, 17));
  const std::string whole = read_text(folder_ / "a.png");
  for (std::size_t size = 0; size < whole.size() - 12; size += 7) {
    write_quickly(folder_ / "cut.png", whole.substr(0, size));
    EXPECT_THAT(error_of([&] { read_png(folder_ / "cut.png"); }), HasSubstr("cannot read the PNG"))
        << size;
  }
}

TEST_F(Image, JpegDecodesToTheSameColoursInRgbOrder) {
  const at::Tensor picture = gradient(48, 64);
  const at::Tensor decoded = decode_jpeg(encode_jpeg(picture, 95));
  ASSERT_EQ(decoded.sizes(), picture.sizes());
  const at::Tensor error = (decoded.to(at::kFloat) - picture.to(at::kFloat)).abs();
  EXPECT_LT(error.mean().item<float>(), 1.5f);
  EXPECT_LT(error.max().item<float>(), 16.0f);
}

TEST_F(Image, JpegOfNoiseIsAsLargeAsItMustBe) {
  for (const auto& [height, width] : {std::pair{1, 1}, {17, 33}, {128, 96}}) {
    const at::Tensor picture = at::randint(0, 256, {height, width, 3}, at::kByte);
    const std::vector<std::uint8_t> bytes = encode_jpeg(picture, 100);
    EXPECT_EQ(decode_jpeg(bytes).sizes(), picture.sizes());
    EXPECT_EQ(bytes[bytes.size() - 2], 0xff);
    EXPECT_EQ(bytes.back(), 0xd9) << "the mark of a JPEG's end";
  }
}

TEST_F(Image, JpegWithBytesAfterItsEndDecodes) {
  std::vector<std::uint8_t> bytes = encode_jpeg(gradient(16, 16), 90);
  const at::Tensor alone = decode_jpeg(bytes);
  bytes.resize(bytes.size() + 1000);  // ACT pads frames to one length with zeros
  EXPECT_TRUE(at::equal(decode_jpeg(bytes), alone));
}

TEST_F(Image, EveryTruncatedJpegIsAnError) {
  const std::vector<std::uint8_t> bytes = encode_jpeg(gradient(48, 64), 80);
  for (std::size_t size = 0; size + 2 < bytes.size(); ++size) {
    EXPECT_THAT(error_of([&] { decode_jpeg(std::span(bytes).first(size)); }),
                HasSubstr("cannot decode a JPEG"))
        << size;
  }
}

TEST_F(Image, AFlippedJpegByteNeverEndsTheProcess) {
  const std::vector<std::uint8_t> bytes = encode_jpeg(gradient(24, 24), 80);
  int errors = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::vector<std::uint8_t> flipped = bytes;
    flipped[i] ^= 0x41;
    errors += !error_of([&] { decode_jpeg(flipped); }).empty();
  }
  EXPECT_GT(errors, 20);
}

TEST_F(Image, SomethingElseThanAPictureIsRefused) {
  EXPECT_THAT(error_of([&] {
                write_png(folder_ / "a.png", at::zeros({4, 4, 3}));
              }),
              HasSubstr("expected a picture uint8 [height, width, 3]; found Float [4, 4, 3]"));
  EXPECT_THAT(error_of([&] {
                encode_jpeg(at::zeros({4, 4}, at::kByte), 90);
              }),
              HasSubstr("cannot encode a JPEG"));
}

TEST_F(Image, ALineIsDrawnWhereItIsSaidAndNowhereElse) {
  at::Tensor picture = at::full({20, 30, 3}, 10, at::kByte);
  draw_polyline(picture, {{5, 10}, {25, 10}}, {255, 0, 0}, 2.0);
  EXPECT_EQ(picture[10][15][0].item<int>(), 255);
  EXPECT_EQ(picture[10][15][1].item<int>(), 0);
  EXPECT_EQ(picture[11][15][0].item<int>(), 133);  // half covered: 10 + (255 - 10) / 2, rounded
  EXPECT_EQ(picture[12][15][0].item<int>(), 10);
  EXPECT_EQ(picture[10][28][0].item<int>(), 10);
}

TEST_F(Image, JointsAreNotDarkerAndWildPointsAreClipped) {
  const double infinity = std::numeric_limits<double>::infinity();
  at::Tensor once = at::zeros({20, 20, 3}, at::kByte), twice = once.clone();
  draw_polyline(once, {{2, 10}, {18, 10}}, {200, 200, 200}, 3.0);
  draw_polyline(twice, {{2, 10}, {10, 10}, {18, 10}, {2, 10}}, {200, 200, 200}, 3.0);
  EXPECT_TRUE(at::equal(once, twice));
  at::Tensor picture = at::zeros({20, 20, 3}, at::kByte);
  draw_polyline(picture, {{-1e9, 5}, {1e9, 5}, {NAN, 3}, {infinity, 0}, {10, 15}}, {255, 0, 0},
                1.0);
  EXPECT_EQ(picture[5].select(1, 0).to(at::kInt).min().item<int>(), 255);
  EXPECT_EQ(picture[15][10][0].item<int>(), 255);
  EXPECT_EQ(picture[15][12][0].item<int>(), 0);
}

}  // namespace
}  // namespace roboimi
