#include "modules/view_fusion/view_fusion.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "roboimi/common/error.h"

namespace roboimi {
namespace {

at::Tensor filled(std::int64_t height, std::int64_t width, int value) {
  return at::full({1, height, width, 3}, value, at::kByte);
}

TEST(JoinViews, PlacesTheFirstViewLeftOrOnTop) {
  const std::vector<at::Tensor> views = {filled(2, 4, 1), filled(2, 4, 2), filled(2, 4, 3)};
  const at::Tensor row = view_fusion::join_views(views, view_fusion::FusionLayout::kHorizontal);
  EXPECT_EQ(row.sizes(), (std::vector<std::int64_t>{1, 2, 12, 3}));
  EXPECT_TRUE(row.slice(2, 0, 4).eq(1).all().item<bool>());
  EXPECT_TRUE(row.slice(2, 8).eq(3).all().item<bool>());
  const at::Tensor column = view_fusion::join_views(views, view_fusion::FusionLayout::kVertical);
  EXPECT_EQ(column.sizes(), (std::vector<std::int64_t>{1, 6, 4, 3}));
  EXPECT_TRUE(column.slice(1, 2, 4).eq(2).all().item<bool>());
}

TEST(JoinViews, LeavesTheGridsFourthCellBlack) {
  const at::Tensor grid = view_fusion::join_views(
      {filled(2, 4, 1), filled(2, 4, 2), filled(2, 4, 3)}, view_fusion::FusionLayout::kGrid);
  EXPECT_EQ(grid.sizes(), (std::vector<std::int64_t>{1, 4, 8, 3}));
  EXPECT_TRUE(grid.slice(1, 0, 2).slice(2, 4).eq(2).all().item<bool>());
  EXPECT_TRUE(grid.slice(1, 2).slice(2, 0, 4).eq(3).all().item<bool>());
  EXPECT_TRUE(grid.slice(1, 2).slice(2, 4).eq(0).all().item<bool>());
}

TEST(JoinViews, NamesSizesThatDiffer) {
  try {
    view_fusion::join_views({filled(2, 4, 1), filled(3, 4, 2)},
                            view_fusion::FusionLayout::kHorizontal);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("2x4, 3x4"));
  }
}

TEST(ResizedSize, KeepsTheAspectOfTheShorterSide) {
  const view_fusion::FusionOptions options{.resize = view_fusion::FusionResize::kShorterSide,
                                           .shorter_side = 224};
  EXPECT_EQ(view_fusion::resized_size({256, 768}, options), (ImageSize{224, 672}));
  EXPECT_EQ(view_fusion::resized_size({768, 256}, options), (ImageSize{672, 224}));
  EXPECT_EQ(view_fusion::resized_size({100, 151}, options),
            (ImageSize{224, 338}));  // 338.24 rounded down
  for (const view_fusion::FusionLayout layout :
       {view_fusion::FusionLayout::kHorizontal, view_fusion::FusionLayout::kVertical,
        view_fusion::FusionLayout::kGrid}) {
    const at::Tensor joined = view_fusion::join_views({filled(2, 4, 1), filled(2, 4, 2)}, layout);
    EXPECT_EQ(view_fusion::joined_size({2, 4}, 2, layout),
              (ImageSize{joined.size(1), joined.size(2)}));
  }
}

// torch's own operator on normalized floats, in the same order as in LEWM's training.
at::Tensor reference(const at::Tensor& images, std::int64_t height, std::int64_t width) {
  const at::Tensor mean = at::tensor({0.485, 0.456, 0.406}, at::kFloat).view({1, 3, 1, 1});
  const at::Tensor std = at::tensor({0.229, 0.224, 0.225}, at::kFloat).view({1, 3, 1, 1});
  const at::Tensor planar = images.permute({0, 3, 1, 2}).to(at::kFloat).div(255);
  return at::_upsample_bilinear2d_aa((planar - mean) / std, {height, width}, false);
}

TEST(NormalizeAndResize, EqualsTorchAtEverySize) {
  at::Generator generator = at::detail::createCPUGenerator(6);
  const std::vector<std::array<std::int64_t, 4>> sizes = {
      {256, 768, 224, 224}, {256, 256, 224, 224}, {224, 224, 224, 224}, {128, 384, 224, 224},
      {97, 41, 224, 301},   {480, 640, 31, 17},   {1, 1, 5, 7},         {33, 2, 2, 33},
      {7, 300, 1, 1},       {256, 768, 224, 672}};
  for (const auto& [in_height, in_width, height, width] : sizes) {
    const at::Tensor images =
        at::randint(0, 256, {2, in_height, in_width, 3}, generator, at::kByte);
    const at::Tensor found = view_fusion::normalize_and_resize(images, {height, width});
    const at::Tensor expected = reference(images, height, width);
    const at::Tensor composed = view_fusion::normalize_and_resize_composed(images, {height, width});
    ASSERT_EQ(found.sizes(), expected.sizes());
    ASSERT_EQ(composed.sizes(), expected.sizes());
    EXPECT_LE((found - expected).abs().max().item<double>(), 1e-5)
        << in_height << "x" << in_width << " to " << height << "x" << width;
    EXPECT_LE((composed - expected).abs().max().item<double>(), 1e-5)
        << in_height << "x" << in_width << " to " << height << "x" << width;
    // Images are read as contiguous planes.
    EXPECT_TRUE(found.is_contiguous());
    EXPECT_TRUE(composed.is_contiguous()) << composed.strides();
  }
}

TEST(NormalizeAndResize, ReadsStridedViews) {
  at::Generator generator = at::detail::createCPUGenerator(6);
  const at::Tensor images = at::randint(0, 256, {4, 20, 30, 3}, generator, at::kByte);
  const at::Tensor strided = images.slice(0, 0, 4, 2).slice(2, 5, 25);
  EXPECT_TRUE(view_fusion::normalize_and_resize(strided, {9, 11})
                  .equal(view_fusion::normalize_and_resize(strided.contiguous(), {9, 11})));
}

}  // namespace
}  // namespace roboimi
