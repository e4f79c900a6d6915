#include "modules/attnres/fused_pass.h"

#include <ATen/ATen.h>

#include "modules/attnres/gemm.h"
#include "modules/attnres/parallel_rows.h"
#include "roboimi/common/error.h"

namespace roboimi::attnres {

template <typename T>
FusedPass<T>::FusedPass(const FusedShape& shape, FusedWeights weights, const RopeAngles& angles,
                        DropoutMasks masks, bool keep)
    : shape_(shape),
      weights_(std::move(weights)),
      angles_(angles),
      masks_(std::move(masks)),
      keep_(keep) {}

template <typename T>
T* FusedPass<T>::tail(const at::Tensor& rows) const {
  return rows.data_ptr<T>() + (value_rows_ - tangent_rows_) * rows.size(1);
}

template <typename T>
Dual FusedPass<T>::forward(const Dual& x) {
  // Allocate the tables of the depth attention.
  batch_ = x.value.size(0), length_ = x.value.size(1);
  value_rows_ = batch_ * length_;
  tangent_rows_ = x.tangent.defined() ? x.tangent.size(0) * length_ : 0;
  const std::int64_t sources = std::int64_t(weights_.layers.size()) + 1, readers = num_readers();
  const auto options = x.value.options().requires_grad(false);
  inverse_rms_ = at::empty({value_rows_, sources}, options);
  logits_ = at::empty({value_rows_, readers, sources}, options);
  mixture_ = at::empty({value_rows_, readers, sources}, options);
  logit_tangents_ = at::empty({tangent_rows_, readers, sources}, options);

  // Run the sublayers; each output becomes a source.
  const at::Tensor first = x.value.reshape({value_rows_, shape_.width});
  push(tangent_rows_ == 0 ? first.contiguous()
                          : at::cat({first, x.tangent.reshape({tangent_rows_, shape_.width})}));
  for (std::size_t i = 0; i < weights_.layers.size(); ++i) {
    const FusedWeights::SubLayer& layer = weights_.layers[i];
    Saved saved;
    saved.input = read(i);
    saved.normed = norm(saved.input, layer.norm);
    saved.inner = product_of(saved.normed, layer.in);
    saved.mixed = activate(i, saved.inner);
    const at::Tensor output = product_of(saved.mixed, layer.out);
    masks_.drop_output(i, output);
    push(output);
    if (keep_) saved_.push_back(std::move(saved));
  }
  // Compute the output, and split it into values and tangents.
  const at::Tensor y = shape_.final_reader ? read(weights_.layers.size()) : sum_of_sources();
  Dual out{.value = y.narrow(0, 0, value_rows_).view({batch_, length_, shape_.width})};
  if (tangent_rows_ > 0) {
    out.tangent = y.narrow(0, value_rows_, tangent_rows_).view({-1, length_, shape_.width});
  }
  return out;
}

template <typename T>
kernels::Depth<T> FusedPass<T>::depth() const {
  kernels::Depth<T> a{};
  a.width = shape_.width;
  a.num_readers = num_readers();
  a.num_sources = std::int64_t(weights_.layers.size()) + 1;
  a.sources = source_rows_.data();
  a.tangents = tangent_source_rows_.data();
  a.queries = weights_.queries.template const_data_ptr<T>();
  a.inverse_rms = inverse_rms_.data_ptr<T>();
  a.logits = logits_.data_ptr<T>();
  a.logit_tangents = logit_tangents_.data_ptr<T>();
  a.weights = mixture_.data_ptr<T>();
  return a;
}

namespace {

// The same arguments, for the samples that have tangents.
template <typename T>
kernels::Depth<T> at_tail(kernels::Depth<T> a, const std::vector<const T*>& tail_rows,
                          std::int64_t skipped_rows) {
  a.sources = tail_rows.data();
  a.inverse_rms += skipped_rows * a.num_sources;
  a.logits += skipped_rows * a.num_readers * a.num_sources;
  a.weights += skipped_rows * a.num_readers * a.num_sources;
  return a;
}

}  // namespace

template <typename T>
void FusedPass<T>::push(const at::Tensor& source) {
  sources_.push_back(source);
  source_rows_.push_back(source.const_data_ptr<T>());
  tail_rows_.push_back(tail(source));
  tangent_source_rows_.push_back(source.const_data_ptr<T>() + value_rows_ * shape_.width);
  // One product with the queries of all readers, for both values and tangents.
  const at::Tensor products = product_of(source, weights_.queries);
  kernels::Depth<T> a = depth();
  a.source = std::int64_t(sources_.size()) - 1;
  a.products = products.const_data_ptr<T>();
  over_rows(kernels::depth_push<T>, a, value_rows_);
  a = at_tail(a, tail_rows_, value_rows_ - tangent_rows_);
  a.products += value_rows_ * a.num_readers;
  over_rows(kernels::depth_push_tangent<T>, a, tangent_rows_);
}

template <typename T>
at::Tensor FusedPass<T>::read(std::size_t reader) {
  const at::Tensor sum = at::empty_like(sources_.front());
  kernels::Depth<T> a = depth();
  a.reader = std::int64_t(reader);
  a.source = std::int64_t(sources_.size()) - 1;
  a.sum = sum.data_ptr<T>();
  over_rows(kernels::depth_read<T>, a, value_rows_);
  a = at_tail(a, tail_rows_, value_rows_ - tangent_rows_);
  a.sum += value_rows_ * shape_.width;
  over_rows(kernels::depth_read_tangent<T>, a, tangent_rows_);
  return sum;
}

template <typename T>
at::Tensor FusedPass<T>::norm(const at::Tensor& h, const at::Tensor& weight) const {
  const at::Tensor y = at::empty_like(h);
  kernels::RmsNorm<T> a{};
  a.width = shape_.width;
  a.weight = weight.const_data_ptr<T>();
  a.x = h.const_data_ptr<T>();
  a.y = y.data_ptr<T>();
  over_rows(kernels::rms_norm<T>, a, value_rows_);
  a.x = tail(h);
  a.tangent = h.const_data_ptr<T>() + value_rows_ * a.width;
  a.y_tangent = y.data_ptr<T>() + value_rows_ * a.width;
  over_rows(kernels::rms_norm_tangent<T>, a, tangent_rows_);
  return y;
}

template <typename T>
kernels::Attention<T> FusedPass<T>::attention(std::size_t layer, const at::Tensor& inner) const {
  kernels::Attention<T> a{};
  a.length = length_;
  a.num_heads = shape_.num_heads;
  a.num_kv_heads = shape_.num_kv_heads;
  a.head_dim = shape_.width / shape_.num_heads;
  a.cosine = angles_.cosine.template const_data_ptr<T>();
  a.sine = angles_.sine.template const_data_ptr<T>();
  a.qkv = inner.data_ptr<T>();
  if (masks_.any()) a.mask = masks_.layers[layer].attention.template const_data_ptr<T>();
  return a;
}

// Applies attention or SwiGLU: from inner, [rows, q + k + v] or [rows, gate + up], to the input of
// the sublayer's last product. Applies the rotary embedding to q and k in `inner` in place.
template <typename T>
at::Tensor FusedPass<T>::activate(std::size_t layer, const at::Tensor& inner) const {
  const bool attends = layer % 2 == 0;
  const std::int64_t width = attends ? shape_.width : inner.size(1) / 2;
  const at::Tensor y = at::empty({inner.size(0), width}, inner.options());
  T* const y_tangent = y.data_ptr<T>() + value_rows_ * width;
  T* const tangent = inner.data_ptr<T>() + value_rows_ * inner.size(1);
  // Attention: values, then tangents.
  if (attends) {
    kernels::Attention<T> a = attention(layer, inner);
    a.y = y.data_ptr<T>();
    over_rows(kernels::attend<T>, a, batch_, 1);
    const std::int64_t samples = tangent_rows_ / length_;
    a.qkv = tail(inner);
    a.tangent = tangent;
    a.y_tangent = y_tangent;
    if (a.mask != nullptr) a.mask += (batch_ - samples) * a.num_heads * length_ * length_;
    over_rows(kernels::attend_tangent<T>, a, samples, 1);
    return y;
  }
  // SwiGLU: values, then tangents.
  kernels::SwiGlu<T> a{};
  a.width = width;
  a.x = inner.const_data_ptr<T>();
  a.y = y.data_ptr<T>();
  over_rows(kernels::swiglu<T>, a, value_rows_);
  a.x = tail(inner);
  a.tangent = tangent;
  a.y_tangent = y_tangent;
  over_rows(kernels::swiglu_tangent<T>, a, tangent_rows_);
  return y;
}

template <typename T>
at::Tensor FusedPass<T>::sum_of_sources() const {
  at::Tensor sum = sources_[0] + sources_[1];
  for (std::size_t i = 2; i < sources_.size(); ++i) sum.add_(sources_[i]);
  return sum;
}

template class FusedPass<float>;
template class FusedPass<double>;

}  // namespace roboimi::attnres
