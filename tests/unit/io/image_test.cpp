#include "roboimi/io/image.h"

#include <gmock/gmock.h>

#include <cmath>
#include <map>

#include "roboimi/common/files.h"
#include "roboimi/io/image_text.h"
#include "tests/unit/io/io_test_support.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;

class Image : public InFolder {};

// A smooth image, which JPEG reproduces well. uint8 [height, width, 3].
at::Tensor gradient(std::int64_t height, std::int64_t width) {
  const at::Tensor y = at::linspace(0, 255, height).view({height, 1, 1});
  const at::Tensor x = at::linspace(0, 255, width).view({1, width, 1});
  const at::Tensor one = at::ones({height, width, 1});
  return at::cat({y * one, x * one, 100 * one}, 2).to(at::kByte);
}

TEST_F(Image, PngKeepsEveryPixel) {
  const at::Tensor image = gradient(31, 17);
  write_png(folder_ / "a.png", image);
  EXPECT_TRUE(at::equal(read_png(folder_ / "a.png"), image));
  EXPECT_EQ(num_entries(), 1);
  const at::Tensor turned = image.permute({1, 0, 2});
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

TEST(ImageFormats, AreRecognizedByTheirFirstBytes) {
  const at::Tensor image = at::zeros({2, 3, 3}, at::kByte);
  std::vector<std::uint8_t> png = encode_png(image);
  EXPECT_EQ(image_format(encode_jpeg(image, 90)), ImageFormat::kJpeg);
  EXPECT_EQ(image_format(png), ImageFormat::kPng);
  png[24] = 16;  // bits per channel
  EXPECT_EQ(image_format(png), ImageFormat::kDeepPng);
  EXPECT_EQ(image_format({}), ImageFormat::kOther);
  EXPECT_EQ(image_format(std::span(png).subspan(1)), ImageFormat::kOther);
}

TEST_F(Image, JpegKeepsTheColorsInRgbOrder) {
  const at::Tensor image = gradient(48, 64);
  const at::Tensor decoded = decode_jpeg(encode_jpeg(image, 95));
  ASSERT_EQ(decoded.sizes(), image.sizes());
  const at::Tensor error = (decoded.to(at::kFloat) - image.to(at::kFloat)).abs();
  EXPECT_LT(error.mean().item<float>(), 1.5f);
  EXPECT_LT(error.max().item<float>(), 16.0f);
}

TEST_F(Image, JpegOfNoiseFitsTheBuffer) {
  for (const auto& [height, width] : {std::pair{1, 1}, {17, 33}, {128, 96}}) {
    const at::Tensor image = at::randint(0, 256, {height, width, 3}, at::kByte);
    const std::vector<std::uint8_t> bytes = encode_jpeg(image, 100);
    EXPECT_EQ(decode_jpeg(bytes).sizes(), image.sizes());
    EXPECT_EQ(bytes[bytes.size() - 2], 0xff);
    EXPECT_EQ(bytes.back(), 0xd9) << "the end marker of a JPEG";
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

TEST_F(Image, RejectsTensorsThatAreNotImages) {
  EXPECT_THAT(error_of([&] {
                write_png(folder_ / "a.png", at::zeros({4, 4, 3}));
              }),
              HasSubstr("expected an image uint8 [height, width, 3]; found Float [4, 4, 3]"));
  EXPECT_THAT(error_of([&] {
                encode_jpeg(at::zeros({4, 4}, at::kByte), 90);
              }),
              HasSubstr("cannot encode a JPEG"));
}

TEST_F(Image, ALineCoversOnlyItsPixels) {
  at::Tensor image = at::full({20, 30, 3}, 10, at::kByte);
  draw_polyline(image, {{5, 10}, {25, 10}}, {255, 0, 0}, 2.0);
  EXPECT_EQ(image[10][15][0].item<int>(), 255);
  EXPECT_EQ(image[10][15][1].item<int>(), 0);
  EXPECT_EQ(image[11][15][0].item<int>(), 133);  // half covered: 10 + (255 - 10) / 2, rounded
  EXPECT_EQ(image[12][15][0].item<int>(), 10);
  EXPECT_EQ(image[10][28][0].item<int>(), 10);
}

TEST_F(Image, JointsAreBlendedOnceAndDistantPointsAreClipped) {
  const double infinity = std::numeric_limits<double>::infinity();
  at::Tensor once = at::zeros({20, 20, 3}, at::kByte), twice = once.clone();
  draw_polyline(once, {{2, 10}, {18, 10}}, {200, 200, 200}, 3.0);
  draw_polyline(twice, {{2, 10}, {10, 10}, {18, 10}, {2, 10}}, {200, 200, 200}, 3.0);
  EXPECT_TRUE(at::equal(once, twice));
  at::Tensor image = at::zeros({20, 20, 3}, at::kByte);
  draw_polyline(image, {{-1e9, 5}, {1e9, 5}, {NAN, 3}, {infinity, 0}, {10, 15}}, {255, 0, 0}, 1.0);
  EXPECT_EQ(image[5].select(1, 0).to(at::kInt).min().item<int>(), 255);
  EXPECT_EQ(image[15][10][0].item<int>(), 255);
  EXPECT_EQ(image[15][12][0].item<int>(), 0);
}

TEST_F(Image, ARectangleIsFilledAndClipped) {
  at::Tensor image = at::zeros({6, 8, 3}, at::kByte);
  fill_rectangle(image, {5, 4}, {10, 10}, {10, 20, 30});
  EXPECT_EQ((image.select(2, 1) == 20).sum().item<int>(), 2 * 3);
  EXPECT_EQ(image[4][5][2].item<int>(), 30);
  EXPECT_EQ(image[3][5][2].item<int>(), 0);
  fill_rectangle(image, {-5, -5}, {2, 2}, {255, 255, 255});
  EXPECT_EQ(image[0][0][0].item<int>(), 0);
}

TEST_F(Image, ResizingKeepsTheMeanColor) {
  const at::Tensor image = gradient(64, 96);
  const at::Tensor small = resize_image(image, 16, 24);
  EXPECT_EQ(small.sizes(), (c10::IntArrayRef{16, 24, 3}));
  const at::Tensor change = small.to(at::kFloat).mean({0, 1}) - image.to(at::kFloat).mean({0, 1});
  EXPECT_LT(change.abs().max().item<float>(), 1.0f);
}

// The bounding box {left, top, right, bottom} of the pixels that are not black.
std::array<std::int64_t, 4> drawn_box(const at::Tensor& image) {
  const at::Tensor at = image.to(at::kInt).sum(2).nonzero();
  const auto low = std::get<0>(at.min(0)), high = std::get<0>(at.max(0));
  return {low[1].item<std::int64_t>(), low[0].item<std::int64_t>(), high[1].item<std::int64_t>(),
          high[0].item<std::int64_t>()};
}

TEST_F(Image, TextLiesOnItsBaselineWithItsHeightAndWidth) {
  at::Tensor image = at::zeros({60, 200, 3}, at::kByte);
  const TextStyle style{.height = 20, .color = {255, 255, 0}, .boldness = 0.1};
  draw_text(image, {10, 40}, "HE LLO", style);
  const auto [left, top, right, bottom] = drawn_box(image);
  EXPECT_NEAR(static_cast<double>(left), 10, 2);
  EXPECT_NEAR(static_cast<double>(right), 10 + text_width("HE LLO", style), 2);
  EXPECT_NEAR(static_cast<double>(top), 20, 2);
  EXPECT_NEAR(static_cast<double>(bottom), 40, 2);
  EXPECT_EQ(image.select(2, 0).max().item<int>(), 255);
  EXPECT_EQ(image.select(2, 2).max().item<int>(), 0);
  at::Tensor tail = at::zeros({60, 200, 3}, at::kByte);
  draw_text(tail, {10, 40}, "p", style);
  EXPECT_NEAR(static_cast<double>(drawn_box(tail)[3]), 46, 2) << "below the baseline";
}

TEST_F(Image, DigitsHaveOneWidthAndEveryCharacterIsDrawnDifferently) {
  const TextStyle style{.height = 16};
  EXPECT_EQ(text_width("111", style), text_width("888", style));
  EXPECT_EQ(text_width("", style), 0.0);
  std::map<std::string, char> images;
  for (char c = '!'; c <= '~'; ++c) {
    at::Tensor image = at::zeros({30, 40, 3}, at::kByte);
    draw_text(image, {5, 22}, std::string(1, c), style);
    EXPECT_GT(image.sum().item<int>(), 0) << c;
    const std::string pixels(reinterpret_cast<const char*>(image.data_ptr()), image.nbytes());
    const auto [former, is_new] = images.emplace(pixels, c);
    EXPECT_TRUE(is_new) << c << " looks like " << former->second;
  }
  // One box for a character outside ASCII, whatever its number of bytes.
  EXPECT_EQ(text_width("\xc3\xa9", style), text_width("\xe2\x82\xac", style));
}

}  // namespace
}  // namespace roboimi
