// The fast path for frozen weights: VitEncoder and projector, prepacked.
//
//   VitInference inference(encoder, projector, at::kBFloat16);
//   at::Tensor embedding = inference.forward(pixels);     // [N, 3, H, W] -> float [N, 192]
//
// query, key and value are one matrix, attention's scale is folded into the query, BatchNorm into
// the projector's first layer; images go through in chunks that fit the cache. It holds copies of
// the weights: stale() says whether the modules' own have changed since.
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
  // `projector` may be null: the output is then the class token. `precision`: kFloat, or kBFloat16
  // (weights and activations; sums in LayerNorm, softmax and GEMM stay fp32).
  VitInference(VitEncoder encoder, MlpProjector projector, at::ScalarType precision);

  // float [N, 3, H, W] normalised -> float [N, out]. No gradient.
  at::Tensor forward(const at::Tensor& pixels);

  // True when a parameter or buffer was written, replaced or moved after construction.
  bool stale() const;

 private:
  struct Layer {
    at::Tensor norm_before_weight, norm_before_bias, norm_after_weight, norm_after_bias;
    PackedLinear qkv, out, fc1, fc2;
  };
  // What identifies a tensor's contents without reading all of it.
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
