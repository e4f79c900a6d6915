// Compares the matrix products, on a CPU, with torch's antialiased resampling.
#include "modules/view_fusion/gpu_fusion.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "roboimi/common/random.h"
#include "roboimi/contract/imagenet.h"

namespace roboimi {
namespace {

using view_fusion::FusionLayout;
using view_fusion::FusionOptions;
using view_fusion::FusionResize;
using view_fusion::GpuFusion;

std::vector<at::Tensor> random_views(std::int64_t count, const ImageSize& size) {
  at::Generator generator = make_generator(7);
  std::vector<at::Tensor> views;
  for (std::int64_t i = 0; i < count; ++i) {
    views.push_back(at::randint(0, 256, {3, size.height, size.width, 3}, generator, at::kByte));
  }
  return views;
}

// The largest difference from torch's operator on joined, normalized floats, in gray levels.
double gray_levels_off(const at::Tensor& found, const std::vector<at::Tensor>& views,
                       const FusionOptions& options) {
  const at::Tensor joined = view_fusion::join_views(views, options.layout);
  const ImageSize size = view_fusion::resized_size({joined.size(1), joined.size(2)}, options);
  const auto per_channel = [](const double(&values)[3]) {
    return at::tensor({values[0], values[1], values[2]}, at::kFloat).view({1, 3, 1, 1});
  };
  const at::Tensor pixels = joined.permute({0, 3, 1, 2}).to(at::kFloat).div(255);
  const at::Tensor expected =
      at::_upsample_bilinear2d_aa((pixels - per_channel(kImageNetMean)) / per_channel(kImageNetStd),
                                  {size.height, size.width}, false);
  EXPECT_EQ(found.sizes(), expected.sizes());
  EXPECT_TRUE(found.is_contiguous());
  EXPECT_EQ(found.scalar_type(), at::kFloat);
  const at::Tensor scale = per_channel(kImageNetStd) * 255;
  return ((found - expected) * scale).abs().max().item<double>();
}

TEST(GpuFusion, EqualsTorchToAQuarterOfAGrayLevel) {
  struct Case {
    FusionLayout layout;
    std::int64_t count;
    ImageSize view;
    std::int64_t height, width;
  };
  const std::vector<Case> cases = {
      {FusionLayout::kHorizontal, 3, {64, 64}, 56, 56},
      {FusionLayout::kHorizontal, 2, {30, 41}, 17, 90},
      {FusionLayout::kVertical, 3, {20, 33}, 28, 28},
      {FusionLayout::kGrid, 1, {24, 24}, 12, 24},
      {FusionLayout::kGrid, 3, {24, 32}, 30, 40},
      {FusionLayout::kGrid, 4, {16, 20}, 64, 64},
  };
  for (const Case& each : cases) {
    const FusionOptions options{.layout = each.layout, .height = each.height, .width = each.width};
    const auto views = random_views(each.count, each.view);
    const GpuFusion fusion(each.view, each.count, options, at::kCPU);
    EXPECT_LT(gray_levels_off(fusion.fuse(views), views, options), GpuFusion::kMostGrayLevels)
        << to_string(each.layout) << " " << each.count;
  }
}

TEST(GpuFusion, KeepsTheAspectAndReadsStridedViews) {
  const FusionOptions options{.resize = FusionResize::kShorterSide, .shorter_side = 16};
  std::vector<at::Tensor> views;
  for (const at::Tensor& view : random_views(2, {20, 60})) {
    views.push_back(view.slice(0, 0, 3, 2).slice(2, 10, 40));
  }
  const GpuFusion fusion({20, 30}, 2, options, at::kCPU);
  EXPECT_LT(gray_levels_off(fusion.fuse(views), views, options), GpuFusion::kMostGrayLevels);
}

TEST(GpuFusion, IsNotUsedOnACpu) {
  const FusionOptions options{.height = 20, .width = 20};
  const auto views = random_views(3, {24, 24});
  EXPECT_TRUE(
      view_fusion::fuse_views_fast(views, options).equal(view_fusion::fuse_views(views, options)));
}

}  // namespace
}  // namespace roboimi
