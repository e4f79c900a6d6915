#include "plugins/lewm_vit_backbone/block_encoder.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <set>

#include "roboimi/common/random.h"

namespace roboimi::lewm_vit_backbone {
namespace {

TEST(BlockEncoder, PadsToAFewSizes) {
  std::set<std::int64_t> sizes;
  for (std::int64_t frames = 1; frames <= BlockEncoder::kLargestBlock; ++frames) {
    const std::int64_t padded = BlockEncoder::padded_size(frames);
    EXPECT_GE(padded, frames);
    EXPECT_LT(padded, frames < 32 ? 2 * frames : frames + 32);
    sizes.insert(padded);
  }
  EXPECT_EQ(sizes.size(), 13U);
  EXPECT_LT(sizes.size(), GraphedFunction::kMostGraphs);
  EXPECT_EQ(BlockEncoder::padded_size(1), 1);
  EXPECT_EQ(BlockEncoder::padded_size(33), 64);
  EXPECT_EQ(BlockEncoder::padded_size(256), 256);
}

TEST(BlockEncoder, ReturnsTheFeaturesOfEveryFrameInOrder) {
  const SeededConstruction seed(1);
  vit::VitEncoder encoder(vit::VitOptions{.hidden_size = 16,
                                          .num_layers = 2,
                                          .num_heads = 2,
                                          .intermediate_size = 32,
                                          .patch_size = 8,
                                          .image_size = 16});
  encoder->eval();
  vit::VitInference inference(encoder, nullptr, at::kFloat);
  const view_fusion::FusionOptions fusion{.height = 16, .width = 16};
  at::Generator generator = make_generator(2);
  std::vector<at::Tensor> views;
  for (int i = 0; i < 2; ++i) {
    views.push_back(
        at::randint(0, 256, {2 * BlockEncoder::kLargestBlock + 37, 8, 9, 3}, generator, at::kByte));
  }
  BlockEncoder blocks(inference, fusion, /*rounds=*/false);
  for (const std::int64_t frames : {1, 5, 32, 70, 2 * 256 + 37}) {
    std::vector<at::Tensor> some;
    for (const at::Tensor& view : views) some.push_back(view.slice(0, 0, frames));
    const at::Tensor expected = inference.forward(view_fusion::fuse_views(some, fusion));
    const at::Tensor found = blocks.encode(some);
    ASSERT_EQ(found.sizes(), expected.sizes());
    EXPECT_LT(largest_row_error(found, expected), 1e-5) << frames << " frames";
  }
}

TEST(LargestRowError, IsRelativeToEachRow) {
  const at::Tensor expected = at::tensor({3.0, 4.0, 30.0, 40.0}).view({2, 2});
  at::Tensor found = expected.clone();
  found[0][0] = 3.5;
  found[1][0] = 31.0;
  EXPECT_NEAR(largest_row_error(found, expected), 0.1, 1e-6);
  found[1][1] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(std::isinf(largest_row_error(found, expected)));
}

}  // namespace
}  // namespace roboimi::lewm_vit_backbone
