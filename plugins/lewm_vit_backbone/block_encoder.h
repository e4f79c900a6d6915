// Encodes camera frames in blocks. On a GPU, a block is one CUDA graph from the bytes of the views
// to the features: joining, resizing, normalizing and the network.
//
//   BlockEncoder encoder(inference, options.fusion, /*rounds=*/true);
//   at::Tensor features = encoder.encode({front, top, r_vis});   // uint8 [N, H, W, 3] each
//
// There is one graph per block size (common/graphed_function.h): a block is padded with its first
// frame to padded_size(), and the features of the padding are dropped. More than kLargestBlock
// frames are encoded as several blocks. The features of a frame do not depend on the other frames
// of its block, except for rounding.
//
// For 256 frames of three 128x128 views to 112x112 (65 tokens, ViT 192x12) in bfloat16, a block
// needs 0.19 TFLOP and moves about 3.3 GB, in about 200 kernels. Launching them one by one takes
// the host longer than the GPU takes to run them.
#pragma once

#include <cstdint>
#include <vector>

#include "modules/view_fusion/view_fusion.h"
#include "modules/vit/vit_inference.h"
#include "roboimi/common/graphed_function.h"

namespace roboimi::lewm_vit_backbone {

class BlockEncoder {
 public:
  static constexpr std::int64_t kLargestBlock = 256;

  // `inference` must stay valid. `rounds`: resizing may round to half precision
  // (view_fusion/gpu_fusion.h), for an inference in bfloat16, which rounds pixels anyway.
  BlockEncoder(vit::VitInference& inference, const view_fusion::FusionOptions& fusion, bool rounds);

  // uint8 [N, H, W, 3] each, N at least 1 -> float [N, out].
  at::Tensor encode(const std::vector<at::Tensor>& views);

  // Powers of two up to 32, then multiples of 32: at most 13 sizes.
  static std::int64_t padded_size(std::int64_t frames);

 private:
  GraphedFunction encode_block_;
};

// The largest relative error (Euclidean norm) of a frame's features that bfloat16 may cause; it is
// about 0.013 for trained weights.
constexpr double kMostBfloat16Error = 0.05;

// The largest relative error of the rows of `found` [N, D].
double largest_row_error(const at::Tensor& found, const at::Tensor& expected);

}  // namespace roboimi::lewm_vit_backbone
