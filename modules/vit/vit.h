// A Vision Transformer that equals transformers' ViTModel (without pooler), and LEWM's projector.
//
//   VitEncoder encoder(VitOptions{});                     // ViT-tiny 14/14 on 224x224
//   at::Tensor cls = encoder->forward(pixels);            // [N, 3, H, W] -> [N, 192]
//
// forward() is differentiable and intended for training; see vit_inference.h for fast inference
// with frozen weights. Parameters have the names of transformers 5.x (transformers_names.h converts
// those of 4.x). Position embeddings are interpolated to the input's patch grid, which has no
// effect if the input has the trained size.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>
#include <torch/nn/pimpl.h>

#include <cstdint>
#include <vector>

namespace roboimi::vit {

struct VitOptions {
  std::int64_t hidden_size = 192;
  std::int64_t num_layers = 12;
  std::int64_t num_heads = 3;
  std::int64_t intermediate_size = 768;  // of the MLP in each block
  std::int64_t patch_size = 14;          // pixels
  std::int64_t image_size = 224;         // pixels (square), for which the positions were trained
};

constexpr double kVitLayerNormEps = 1e-12;

// Resizes positions [1, 1 + G*G, D] to a rows x columns grid: [1, 1 + rows*columns, D]. Bicubic,
// align_corners = false. Returned unchanged if the input is square and the grid already fits.
at::Tensor interpolate_positions(const at::Tensor& positions, std::int64_t rows,
                                 std::int64_t columns, bool square_input);

class VitPatchEmbeddingsImpl : public torch::nn::Module {
 public:
  explicit VitPatchEmbeddingsImpl(const VitOptions& options);
  torch::nn::Conv2d projection{nullptr};
};
TORCH_MODULE(VitPatchEmbeddings);

class VitEmbeddingsImpl : public torch::nn::Module {
 public:
  explicit VitEmbeddingsImpl(const VitOptions& options);
  at::Tensor forward(const at::Tensor& pixels);  // [N, 3, H, W] -> [N, 1 + P, D]

  at::Tensor cls_token;            // [1, 1, D]
  at::Tensor position_embeddings;  // [1, 1 + G*G, D]
  VitPatchEmbeddings patch_embeddings{nullptr};
};
TORCH_MODULE(VitEmbeddings);

class VitAttentionImpl : public torch::nn::Module {
 public:
  explicit VitAttentionImpl(const VitOptions& options);
  at::Tensor forward(const at::Tensor& x);  // [N, S, D] -> [N, S, D]

  torch::nn::Linear q_proj{nullptr}, k_proj{nullptr}, v_proj{nullptr}, o_proj{nullptr};

 private:
  std::int64_t num_heads_;
};
TORCH_MODULE(VitAttention);

class VitMlpImpl : public torch::nn::Module {
 public:
  explicit VitMlpImpl(const VitOptions& options);
  at::Tensor forward(const at::Tensor& x);  // [N, S, D] -> [N, S, D]

  torch::nn::Linear fc1{nullptr}, fc2{nullptr};
};
TORCH_MODULE(VitMlp);

// A pre-LN block: x + attention(LN(x)), then x + mlp(LN(x)).
class VitLayerImpl : public torch::nn::Module {
 public:
  explicit VitLayerImpl(const VitOptions& options);
  at::Tensor forward(const at::Tensor& x);

  torch::nn::LayerNorm layernorm_before{nullptr}, layernorm_after{nullptr};
  VitAttention attention{nullptr};
  VitMlp mlp{nullptr};
};
TORCH_MODULE(VitLayer);

class VitEncoderImpl : public torch::nn::Module {
 public:
  explicit VitEncoderImpl(const VitOptions& options);

  // Normalized pixels [N, 3, H, W] -> [N, D], which is last_hidden_state[:, 0] of ViTModel with
  // interpolate_pos_encoding. H and W must be at least one patch; a remainder at the right or
  // bottom is ignored, as in the strided convolution. Uses the faster form of mixed_vit.h where it
  // applies.
  at::Tensor forward(const at::Tensor& pixels);
  // Composed of the modules' own forward passes, on every device.
  at::Tensor forward_plain(const at::Tensor& pixels);
  const VitOptions& options() const { return options_; }

  VitEmbeddings embeddings{nullptr};
  torch::nn::ModuleList layers{nullptr};  // of VitLayer
  torch::nn::LayerNorm layernorm{nullptr};

 private:
  VitOptions options_;
};
TORCH_MODULE(VitEncoder);

// LEWM's projector: net.0 Linear, net.1 BatchNorm1d, net.2 GELU(erf), net.3 Linear.
class MlpProjectorImpl : public torch::nn::Module {
 public:
  MlpProjectorImpl(std::int64_t input, std::int64_t hidden, std::int64_t output);
  at::Tensor forward(const at::Tensor& x);  // [N, input] -> [N, output]

  torch::nn::Linear first() const;
  torch::nn::BatchNorm1d norm() const;
  torch::nn::Linear last() const;

  torch::nn::Sequential net{nullptr};
};
TORCH_MODULE(MlpProjector);

}  // namespace roboimi::vit
