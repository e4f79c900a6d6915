// The space that the head models: the action chunk itself, or its discrete cosine transform along
// the horizon.
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
  // Cached between calls, with the device and dtype of the last input. Not a registered buffer,
  // because it would then be stored in checkpoints.
  mutable at::Tensor matrix_;
};

}  // namespace roboimi::imf_head
