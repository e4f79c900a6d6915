// Fast inference with a frozen VitEncoder and projector, from a repacked copy of their weights.
//
//   VitInference inference(encoder, projector, at::kBFloat16);
//   at::Tensor embedding = inference.forward(pixels);     // [N, 3, H, W] -> float [N, 192]
//
// Query, key and value are merged into one matrix, the attention scale is folded into the query,
// and BatchNorm into the projector's first layer. Images are processed in chunks that fit the CPU
// cache. stale() reports whether the modules' weights have changed since they were copied.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "modules/vit/packed_linear.h"
#include "modules/vit/vit.h"

namespace roboimi::vit {

class VitInference {
 public:
  // Without a projector (null), the output is the class token. `precision`: kFloat, or kBFloat16
  // for weights and activations; sums in LayerNorm, softmax and GEMM are then still fp32.
  VitInference(VitEncoder encoder, MlpProjector projector, at::ScalarType precision);

  // Normalized pixels, float [N, 3, H, W] -> float [N, out], without gradients.
  at::Tensor forward(const at::Tensor& pixels);

  // Whether a parameter or buffer was written, replaced or moved since construction.
  bool stale() const;

 private:
  struct Layer {
    at::Tensor norm_before_weight, norm_before_bias, norm_after_weight, norm_after_bias;
    PackedLinear qkv, out, fc1, fc2;
  };
  // Identifies a tensor's contents without reading all of it.
  struct Stamp {
    const void* data;
    std::int64_t version;
    double sample;
    bool operator==(const Stamp&) const = default;
  };

  std::vector<Stamp> stamps() const;
  void pack_layer(VitLayerImpl& layer);
  void pack_projector(MlpProjectorImpl& projector);
  at::Tensor encode_chunk(const at::Tensor& pixels);
  at::Tensor embed(const at::Tensor& pixels);
  at::Tensor attend(const at::Tensor& qkv, std::int64_t images) const;
  const at::Tensor& positions(std::int64_t rows, std::int64_t columns, bool square_input);

  VitEncoder encoder_;
  MlpProjector projector_;
  VitOptions options_;
  at::ScalarType dtype_;
  std::vector<Stamp> stamps_;
  std::vector<Layer> layers_;
  PackedLinear patches_, project_first_, project_last_;
  at::Tensor norm_weight_, norm_bias_, cls_token_, position_table_;
  std::map<std::pair<std::int64_t, std::int64_t>, at::Tensor> positions_;  // by pixel grid
};

}  // namespace roboimi::vit
