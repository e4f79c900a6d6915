// What the head models: the action chunk itself, or its cosine transform along the horizon.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace roboimi::imf_head {

enum class Latent { kIdentity, kDct };

// The orthonormal DCT-II, [H, H]: row k is the k-th frequency. Its inverse is its transpose.
at::Tensor dct_matrix(std::int64_t horizon, const at::TensorOptions& options);

// Actions [B, H, A] to latents [B, H, A], and back.
at::Tensor encode(Latent latent, const at::Tensor& actions);
at::Tensor decode(Latent latent, const at::Tensor& latents);

}  // namespace roboimi::imf_head
