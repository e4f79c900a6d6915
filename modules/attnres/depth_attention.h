// Attention over depth (Attention Residuals, arXiv 2603.15031): for each token, the input of a
// sublayer is a softmax-weighted sum of the embedding and all earlier sublayers' outputs.
//
//   DepthAttention depth(queries);             // [N, D], one pseudo-query per reader
//   depth.push(embedding);                     // [B, T, D]
//   h = depth.read(0);  depth.push(f(h));
//   h = depth.read(1);  ...
//
// On a CPU, sources are not stacked again for each reader. When a source is pushed, its logits for
// all pseudo-queries are computed in one product; a reader only needs these and the source's
// values.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace roboimi::attnres {

class DepthAttention {
 public:
  // queries: [N, D], used without scaling.
  explicit DepthAttention(at::Tensor queries);

  // Adds a source, [B, T, D].
  void push(const at::Tensor& source);
  // Removes the newest source (to replace a block's partial sum with the next one).
  void pop();

  // Returns sum_i softmax_i(w_n . RMS(v_i)) v_i over the sources so far, [B, T, D].
  at::Tensor read(std::int64_t reader) const;

  // sum_i weights_i sources_i, for weights [B, T, N] and N sources [B, T, D]. The first version
  // adds one source after another; the second stacks them and uses one product, which needs fewer
  // kernels and is used on GPUs.
  static at::Tensor sum_one_by_one(const std::vector<at::Tensor>& sources,
                                   const at::Tensor& weights);
  static at::Tensor sum_stacked(const std::vector<at::Tensor>& sources, const at::Tensor& weights);

 private:
  at::Tensor queries_;
  std::vector<at::Tensor> sources_;  // [B, T, D] each
  std::vector<at::Tensor> logits_;   // [B, T, N] each
};

}  // namespace roboimi::attnres
