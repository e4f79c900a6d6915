#include "plugins/lewm_vit_backbone/block_encoder.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <bit>
#include <limits>

#include "modules/view_fusion/gpu_fusion.h"

namespace roboimi::lewm_vit_backbone {
namespace {

constexpr std::int64_t kStep = 32;
// Largest difference between a replayed graph and the same kernels launched one by one. Libraries
// may choose other algorithms for the two, which changes only the order of sums.
constexpr double kReplayTolerance = 2e-2;

}  // namespace

BlockEncoder::BlockEncoder(vit::VitInference& inference, const view_fusion::FusionOptions& fusion,
                           bool rounds)
    : encode_block_("encoding with lewm_vit_backbone", {.tolerance = kReplayTolerance},
                    [&inference, fusion, rounds](const std::vector<at::Tensor>& views) {
                      return inference.forward(rounds ? view_fusion::fuse_views_fast(views, fusion)
                                                      : view_fusion::fuse_views(views, fusion));
                    }) {}

std::int64_t BlockEncoder::padded_size(std::int64_t frames) {
  if (frames >= kStep) return (frames + kStep - 1) / kStep * kStep;
  return static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(frames)));
}

at::Tensor BlockEncoder::encode(const std::vector<at::Tensor>& views) {
  const std::int64_t frames = views[0].size(0);
  std::vector<at::Tensor> features;
  for (std::int64_t start = 0; start < frames; start += kLargestBlock) {
    const std::int64_t count = std::min(kLargestBlock, frames - start);
    const std::int64_t padding = padded_size(count) - count;
    std::vector<at::Tensor> block;
    for (const at::Tensor& view : views) {
      const at::Tensor rows = view.slice(0, start, start + count);
      block.push_back(
          padding == 0 ? rows : at::cat({rows, rows.slice(0, 0, 1).expand({padding, -1, -1, -1})}));
    }
    features.push_back(encode_block_.run(block).slice(0, 0, count));
  }
  return features.size() == 1 ? features[0] : at::cat(features);
}

double largest_row_error(const at::Tensor& found, const at::Tensor& expected) {
  const at::Tensor exact = expected.to(at::kDouble);
  const at::Tensor errors = (found.to(at::kDouble) - exact).norm(2, 1) / exact.norm(2, 1);
  const double largest = errors.max().item<double>();
  return std::isfinite(largest) ? largest : std::numeric_limits<double>::infinity();
}

}  // namespace roboimi::lewm_vit_backbone
