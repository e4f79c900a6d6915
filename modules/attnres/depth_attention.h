// Attention over depth (Attention Residuals, arXiv 2603.15031): the input of a sublayer is a
// softmax-weighted sum, per token, of the embedding and of all earlier sublayers' outputs.
//
//   DepthAttention depth(queries);             // [N, D], one pseudo-query per reader
//   depth.push(embedding);                     // [B, T, D]
//   h = depth.read(0);  depth.push(f(h));
//   h = depth.read(1);  ...
//
// On a CPU sources are never stacked again: when a source is pushed, its logits against all
// pseudo-queries are computed in one product, and a reader needs nothing of it but these and its
// values.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace roboimi::attnres {

class DepthAttention {
 public:
  // queries [N, D], no scale.
  explicit DepthAttention(at::Tensor queries);

  // A new source, [B, T, D].
  void push(const at::Tensor& source);
  // Takes the newest source back (a block's partial sum makes way for the next).
  void pop();

  // sum_i softmax_i(w_n . RMS(v_i)) v_i over the sources pushed so far. [B, T, D]
  at::Tensor read(std::int64_t reader) const;

  // sum_i weights_i sources_i, weights [B, T, N] for N sources [B, T, D]: one after the other, or
  // stacked and in one product, which is few kernels and so what a GPU does.
  static at::Tensor sum_one_by_one(const std::vector<at::Tensor>& sources,
                                   const at::Tensor& weights);
  static at::Tensor sum_stacked(const std::vector<at::Tensor>& sources, const at::Tensor& weights);

 private:
  at::Tensor queries_;
  std::vector<at::Tensor> sources_;  // [B, T, D] each
  std::vector<at::Tensor> logits_;   // [B, T, N] each
};

}  // namespace roboimi::attnres
