#include "modules/view_fusion/fused_pixels.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "roboimi/common/error.h"
#include "roboimi/common/random.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;

ObservationSpec spec(std::int64_t top_width = 12) {
  return {.streams = {rgb_stream("top", {10, top_width}), rgb_stream("front", {10, 12})}};
}

Observation images() {
  at::Generator generator = make_generator(3);
  return {{"top", at::randint(0, 256, {2, 3, 10, 12, 3}, generator, at::kByte)},
          {"front", at::randint(0, 256, {2, 3, 10, 12, 3}, generator, at::kByte)}};
}

TEST(FusedPixels, EqualTheInputOfAnEncoderOfTheseViews) {
  const view_fusion::FusionOptions fusion{
      .layout = view_fusion::FusionLayout::kVertical, .height = 8, .width = 6};
  view_fusion::FusedPixels pixels({"front", "top"}, fusion, spec());
  EXPECT_EQ(pixels.image_size(), (ImageSize{8, 6}));
  EXPECT_EQ(pixels.joint_output_dim(), 3 * 8 * 6);
  EXPECT_TRUE(pixels.frozen());
  const Observation views = images();
  at::Generator unused = make_generator(0);
  const at::Tensor features = pixels.encode(views, unused);
  EXPECT_EQ(features.sizes(), (std::vector<std::int64_t>{2, 3, 144}));
  const at::Tensor expected = view_fusion::fuse_views(
      {views.at("front").flatten(0, 1), views.at("top").flatten(0, 1)}, fusion);
  EXPECT_TRUE(at::equal(features.view({6, 3, 8, 6}), expected));
  // Half precision loses less than a tenth of a gray level.
  const at::Tensor kept = features.to(pixels.cached_dtype()).to(at::kFloat);
  EXPECT_LT((kept - features).abs().max().item<double>() * 255 * 0.229, 0.1);
}

TEST(FusedPixels, NameTheirGeometryForTheCache) {
  const auto identity = [](const view_fusion::FusionOptions& fusion) {
    return view_fusion::FusedPixels({"front", "top"}, fusion, spec()).cache_identity();
  };
  EXPECT_EQ(identity({.height = 8, .width = 6}), "fused pixels 1: horizontal exact 8x6");
  EXPECT_NE(identity({.layout = view_fusion::FusionLayout::kGrid, .height = 8, .width = 6}),
            identity({.height = 8, .width = 6}));
}

TEST(FusedPixels, RejectViewsThatCannotBeJoined) {
  try {
    view_fusion::FusedPixels pixels({"front", "top"}, {}, spec(/*top_width=*/13));
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("front 10x12, top 10x13"));
  }
  try {
    view_fusion::FusedPixels pixels({"front", "r_vis"}, {}, spec());
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("camera 'r_vis' is missing"));
  }
}

}  // namespace
}  // namespace roboimi
