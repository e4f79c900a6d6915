// What the head models: the action chunk itself, or its cosine transform along the horizon.
//
//   const LatentSpace space(Latent::kDct);
//   at::Tensor x = space.encode(actions);     // [B, H, A], and back: space.decode(x)
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace roboimi::imf_head {

enum class Latent { kIdentity, kDct };

// The orthonormal DCT-II, [H, H]: row k is the k-th frequency. Its inverse is its transpose.
at::Tensor dct_matrix(std::int64_t horizon, const at::TensorOptions& options);

class LatentSpace {
 public:
  explicit LatentSpace(Latent latent) : latent_(latent) {}

  // Actions [B, H, A] to latents [B, H, A], and back.
  at::Tensor encode(const at::Tensor& actions) const;
  at::Tensor decode(const at::Tensor& latents) const;

 private:
  const at::Tensor& matrix_for(const at::Tensor& x) const;

  Latent latent_;
  // Kept from call to call, on the device and in the dtype of what it last met; a buffer would land
  // in checkpoints.
  mutable at::Tensor matrix_;
};

}  // namespace roboimi::imf_head
