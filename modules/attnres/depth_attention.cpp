#include "modules/attnres/depth_attention.h"

#include <ATen/ATen.h>

#include "modules/attnres/layers.h"
#include "roboimi/common/error.h"
#include "roboimi/contract/autocast.h"

namespace roboimi::attnres {

DepthAttention::DepthAttention(at::Tensor queries) : queries_(std::move(queries)) {}

void DepthAttention::push(const at::Tensor& source) {
  // The keys RMS(v) are not computed explicitly: their norm factors out of the product.
  const at::Tensor inverse_rms = at::rsqrt(source.square().mean(-1, true) + kNormEpsilon);
  logits_.push_back(at::matmul(source, queries_.t()) * inverse_rms);
  sources_.push_back(source);
}

void DepthAttention::pop() {
  ROBOIMI_CHECK(!sources_.empty(), "no source to pop");
  sources_.pop_back();
  logits_.pop_back();
}

at::Tensor DepthAttention::read(std::int64_t reader) const {
  ROBOIMI_CHECK(!sources_.empty(), "no source to read");
  std::vector<at::Tensor> columns;
  columns.reserve(logits_.size());
  for (const at::Tensor& logits : logits_) columns.push_back(logits.select(-1, reader));
  const at::Tensor weights = at::stack(columns, -1).softmax(-1);
  return sources_[0].is_cuda() ? sum_stacked(sources_, weights) : sum_one_by_one(sources_, weights);
}

at::Tensor DepthAttention::sum_one_by_one(const std::vector<at::Tensor>& sources,
                                          const at::Tensor& weights) {
  at::Tensor sum = sources[0] * weights.narrow(-1, 0, 1);
  for (std::size_t i = 1; i < sources.size(); ++i) {
    sum = at::addcmul(sum, sources[i], weights.narrow(-1, static_cast<std::int64_t>(i), 1));
  }
  return sum;
}

at::Tensor DepthAttention::sum_stacked(const std::vector<at::Tensor>& sources,
                                       const at::Tensor& weights) {
  // Autocast would round the residual stream itself to bfloat16.
  const Autocast full_precision(weights.device(), false);
  const at::Tensor stacked = at::stack(sources, -2).to(weights.scalar_type());  // [B, T, N, D]
  return at::matmul(weights.unsqueeze(-2), stacked).squeeze(-2);
}

}  // namespace roboimi::attnres
