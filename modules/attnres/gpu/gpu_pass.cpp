#include "modules/attnres/gpu/gpu_pass.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>

#include "roboimi/common/error.h"

namespace roboimi::attnres::gpu {
namespace {

// Floats of shared memory for the sums of a block: two for each lane of a warp.
constexpr std::int64_t kScratch = 64;
std::size_t read_floats(std::int64_t width, std::int64_t sources) {
  return static_cast<std::size_t>(kScratch + 2 * width + 2 * sources);
}

std::size_t read_backward_floats(std::int64_t width, std::int64_t sources, std::int64_t readers) {
  return static_cast<std::size_t>(kScratch + width + 2 * readers + sources);
}

std::size_t attend_floats(std::int64_t length, std::int64_t head_dim) {
  return static_cast<std::size_t>(6 * length * (head_dim + 1) + 2 * length * (length + 1));
}

float* data_or_null(const at::Tensor& x) { return x.defined() ? x.data_ptr<float>() : nullptr; }

// Copies unaligned tensors, because the kernels load 16 bytes at a time.
at::Tensor aligned(const at::Tensor& x) {
  return reinterpret_cast<std::uintptr_t>(x.const_data_ptr()) % 16 == 0 ? x : x.clone();
}

const float* const_data_or_null(const at::Tensor& x) {
  return x.defined() ? x.const_data_ptr<float>() : nullptr;
}

}  // namespace

GpuPass::GpuPass(const FusedShape& shape, FusedWeights weights, const RopeAngles& angles,
                 DropoutMasks masks, const Launcher& launcher, bool half, bool keep)
    : shape_(shape),
      weights_(std::move(weights)),
      angles_(angles),
      masks_(std::move(masks)),
      launcher_(launcher),
      half_(half),
      keep_(keep) {}

// a [M, K] times b [K, N], in float32.
at::Tensor GpuPass::product(const at::Tensor& a, const at::Tensor& b) const {
  at::Tensor out = at::empty({a.size(0), b.size(1)}, options_);
  product_into(out, a, b);
  return out;
}

void GpuPass::product_into(at::Tensor& out, const at::Tensor& a, const at::Tensor& b) const {
  if (!half_) {
    at::mm_out(out, a, b);
  } else if (a.is_cuda()) {
    at::mm_out(out, a, b, at::kFloat);
  } else {
    at::mm_out(out, a.to(at::kFloat), b.to(at::kFloat));
  }
}

at::Tensor GpuPass::for_product(std::int64_t rows, std::int64_t width) const {
  return at::empty({rows, width}, options_.dtype(half_ ? at::kBFloat16 : at::kFloat));
}

Dual GpuPass::forward(const Dual& x) {
  // Allocate the sources and the tables of the depth attention.
  options_ = x.value.options().requires_grad(false);
  batch_ = x.value.size(0), length_ = x.value.size(1);
  tangent_batch_ = x.tangent.defined() ? x.tangent.size(0) : 0;
  value_rows_ = batch_ * length_, tangent_rows_ = tangent_batch_ * length_;
  const auto layers = static_cast<std::int64_t>(weights_.layers.size());
  const std::int64_t rows = value_rows_ + tangent_rows_, width = shape_.width;
  const std::int64_t num_sources = layers + 1, readers = num_readers();
  sources_ = at::empty({num_sources, rows, width}, options_);
  inverse_rms_ = at::empty({value_rows_, num_sources}, options_);
  logits_ = at::empty({value_rows_, readers, num_sources}, options_);
  logit_tangents_ = at::empty({tangent_rows_, readers, num_sources}, options_);
  if (keep_) mixture_ = at::empty_like(logits_);

  // Run the sublayers; each output becomes a source.
  sources_[0].narrow(0, 0, value_rows_).view_as(x.value).copy_(x.value);
  if (tangent_rows_ > 0) {
    sources_[0].narrow(0, value_rows_, tangent_rows_).view_as(x.tangent).copy_(x.tangent);
  }
  for (std::int64_t i = 0; i < layers; ++i) {
    const FusedWeights::SubLayer& layer = weights_.layers[static_cast<std::size_t>(i)];
    Saved saved;
    saved.in = half_ ? layer.in.to(at::kBFloat16) : layer.in;
    saved.out = half_ ? layer.out.to(at::kBFloat16) : layer.out;
    if (keep_) saved.sum = at::empty({value_rows_, width}, options_);
    saved.normed = for_product(rows, width);
    read(i, aligned(layer.norm), saved.sum, saved.normed);
    saved.inner = product(saved.normed, saved.in.t());
    saved.mixed = for_product(rows, saved.out.size(1));
    activate(static_cast<std::size_t>(i), saved.inner, saved.mixed);
    at::Tensor source = sources_[i + 1];
    product_into(source, saved.mixed, saved.out.t());
    masks_.drop_output(static_cast<std::size_t>(i), source);
    if (keep_) saved_.push_back(std::move(saved));
  }

  // Compute the output, and split it into values and tangents.
  at::Tensor y;
  if (shape_.final_reader) {
    y = at::empty({rows, width}, options_);
    read(layers, {}, y, {});
  } else {
    y = sources_.sum(0);
  }
  Dual out{.value = y.narrow(0, 0, value_rows_).view({batch_, length_, width})};
  if (tangent_rows_ > 0) {
    out.tangent = y.narrow(0, value_rows_, tangent_rows_).view({tangent_batch_, length_, width});
  }
  return out;
}

// The arguments that the forward and backward kernels of a reader have in common.
template <typename Arguments>
Arguments GpuPass::depth_of(std::int64_t reader) const {
  Arguments a{};
  a.width = static_cast<int>(shape_.width);
  a.value_rows = static_cast<int>(value_rows_);
  a.tangent_rows = static_cast<int>(tangent_rows_);
  a.num_sources = static_cast<int>(sources_.size(0));
  a.num_readers = static_cast<int>(num_readers());
  a.reader = static_cast<int>(reader);
  a.sources = sources_.const_data_ptr<float>();
  a.queries = weights_.queries.const_data_ptr<float>();
  return a;
}

// With `norm`, writes values and tangents to `normed` and, if `sum` is defined, the values before
// the norm to `sum`. Without `norm`, writes values and tangents to `sum`.
void GpuPass::read(std::int64_t reader, const at::Tensor& norm, const at::Tensor& sum,
                   const at::Tensor& normed) const {
  auto a = depth_of<ReadArguments>(reader);
  a.half = half_;
  a.inverse_rms = inverse_rms_.data_ptr<float>();
  a.logits = logits_.data_ptr<float>();
  a.logit_tangents = logit_tangents_.data_ptr<float>();
  a.weights = data_or_null(mixture_);
  a.norm = const_data_or_null(norm);
  a.sum = data_or_null(sum);
  if (normed.defined()) {
    a.normed = normed.data_ptr();
  } else {
    a.sum_tangent = a.sum + value_rows_ * shape_.width;
  }
  launcher_.launch(Kernel::kReadDepth, {.x = value_rows_},
                   read_floats(shape_.width, sources_.size(0)), &a);
}

AttendArguments GpuPass::attention(std::size_t layer, const at::Tensor& inner) const {
  AttendArguments a{};
  a.length = static_cast<int>(length_);
  a.num_heads = static_cast<int>(shape_.num_heads);
  a.num_kv_heads = static_cast<int>(shape_.num_kv_heads);
  a.head_dim = static_cast<int>(shape_.width / shape_.num_heads);
  a.samples = static_cast<int>(batch_);
  a.tangent_samples = static_cast<int>(tangent_batch_);
  a.half = half_;
  a.cosine = angles_.cosine.const_data_ptr<float>();
  a.sine = angles_.sine.const_data_ptr<float>();
  a.qkv = inner.const_data_ptr<float>();
  if (masks_.any()) a.mask = masks_.layers[layer].attention.const_data_ptr<float>();
  return a;
}

SwiGluArguments GpuPass::gate(const at::Tensor& inner) const {
  SwiGluArguments a{};
  a.width = static_cast<int>(inner.size(1) / 2);
  a.value_rows = static_cast<int>(value_rows_);
  a.tangent_rows = static_cast<int>(tangent_rows_);
  a.half = half_;
  a.x = inner.const_data_ptr<float>();
  return a;
}

// Applies attention or SwiGLU: from inner, [of both, q + k + v] or [of both, gate + up], to
// `mixed`, the input of the sublayer's last product.
void GpuPass::activate(std::size_t layer, const at::Tensor& inner, const at::Tensor& mixed) const {
  if (attends(layer)) {
    AttendArguments a = attention(layer, inner);
    a.y = mixed.data_ptr();
    launcher_.launch(Kernel::kAttend, {.x = batch_, .y = shape_.num_kv_heads},
                     attend_floats(length_, a.head_dim), &a);
    return;
  }
  SwiGluArguments a = gate(inner);
  a.y = mixed.data_ptr();
  launcher_.launch(Kernel::kSwiGlu, {.x = value_rows_}, 0, &a);
}

FusedGradients GpuPass::backward(const at::Tensor& grad) {
  ROBOIMI_CHECK(keep_ && saved_.size() == weights_.layers.size(), "backward without forward");
  // Start from the gradient of the output.
  const auto layers = static_cast<std::int64_t>(weights_.layers.size());
  const std::int64_t readers = num_readers(), width = shape_.width;
  const at::Tensor rows = aligned(grad.reshape({value_rows_, width}).to(at::kFloat).contiguous());
  grad_logits_ = at::empty_like(logits_);
  grad_sums_ = at::empty({readers, value_rows_, width}, options_);
  // The number of sources that are read equals the number of readers.
  coefficients_ = at::empty({readers, value_rows_, readers}, options_);
  grad_norms_ = at::empty({layers, value_rows_, width}, options_);
  at::Tensor grad_out;
  if (shape_.final_reader) {
    grad_sums_[layers].copy_(rows);
    grad_out = read_backward(layers, {}, {});
  } else {
    grad_total_ = rows;
    // A copy if dropout changes it below.
    grad_out = rows.to(half_ ? at::kBFloat16 : at::kFloat, false, masks_.any());
  }

  // Go back through the sublayers.
  FusedGradients gradients;
  gradients.weights.layers.resize(weights_.layers.size());
  for (std::int64_t i = layers; i-- > 0;) {
    const auto layer = static_cast<std::size_t>(i);
    const Saved& saved = saved_[layer];
    FusedWeights::SubLayer& grads = gradients.weights.layers[layer];
    masks_.drop_output(layer, grad_out);
    grads.out = product(grad_out.t(), values_of(saved.mixed));
    const at::Tensor grad_inner = activate_backward(layer, product(grad_out, saved.out));
    grads.in = product(grad_inner.t(), values_of(saved.normed));
    grad_out =
        read_backward(i, aligned(weights_.layers[layer].norm), product(grad_inner, saved.in));
    saved_[layer] = {};
  }
  // Collect the gradients of the input, the norms and the queries.
  gradients.x = grad_out.view({batch_, length_, width});
  const at::Tensor norms = grad_norms_.sum(1);
  for (std::int64_t i = 0; i < layers; ++i) {
    gradients.weights.layers[static_cast<std::size_t>(i)].norm = norms[i];
  }
  gradients.weights.queries = at::bmm(coefficients_.transpose(1, 2),
                                      sources_.narrow(0, 0, readers).narrow(1, 0, value_rows_))
                                  .sum(0);
  return gradients;
}

// Returns the gradient of source `reader`, as an operand of a product unless it is the gradient of
// x.
at::Tensor GpuPass::read_backward(std::int64_t reader, const at::Tensor& norm,
                                  const at::Tensor& grad_normed) const {
  const bool is_first = reader == 0;
  const at::Tensor grad = is_first ? at::empty({value_rows_, shape_.width}, options_)
                                   : for_product(value_rows_, shape_.width);
  auto a = depth_of<ReadBackwardArguments>(reader);
  a.half = half_ && !is_first;
  a.inverse_rms = inverse_rms_.const_data_ptr<float>();
  a.logits = logits_.const_data_ptr<float>();
  a.weights = mixture_.const_data_ptr<float>();
  a.grad_logits = grad_logits_.data_ptr<float>();
  a.grad_sums = grad_sums_.data_ptr<float>();
  a.grad_total = const_data_or_null(grad_total_);
  a.coefficients = coefficients_.data_ptr<float>();
  a.grad_source = grad.data_ptr();
  if (norm.defined()) {
    a.sum = saved_[static_cast<std::size_t>(reader)].sum.const_data_ptr<float>();
    a.norm = norm.const_data_ptr<float>();
    a.grad_normed = grad_normed.const_data_ptr<float>();
    a.grad_norm = grad_norms_[reader].data_ptr<float>();
  }
  launcher_.launch(Kernel::kReadDepthBackward, {.x = value_rows_},
                   read_backward_floats(shape_.width, sources_.size(0), num_readers()), &a);
  return grad;
}

at::Tensor GpuPass::activate_backward(std::size_t layer, const at::Tensor& grad) const {
  const at::Tensor& inner = saved_[layer].inner;
  const at::Tensor grad_inner = for_product(value_rows_, inner.size(1));
  if (attends(layer)) {
    AttendArguments a = attention(layer, inner);
    a.grad_y = grad.const_data_ptr<float>();
    a.grad_qkv = grad_inner.data_ptr();
    launcher_.launch(Kernel::kAttendBackward, {.x = batch_, .y = shape_.num_kv_heads},
                     attend_floats(length_, a.head_dim), &a);
    return grad_inner;
  }
  SwiGluArguments a = gate(inner);
  a.grad_y = grad.const_data_ptr<float>();
  a.grad_x = grad_inner.data_ptr();
  launcher_.launch(Kernel::kSwiGluBackward, {.x = value_rows_}, 0, &a);
  return grad_inner;
}

bool fits(const Launcher& launcher, const FusedShape& shape, std::int64_t num_layers,
          std::int64_t length) {
  // The kernels process four floats at a time.
  if (shape.width % (4 * shape.num_heads) != 0) return false;
  const std::int64_t sources = num_layers + 1;
  const std::size_t most = std::max({read_floats(shape.width, sources),
                                     read_backward_floats(shape.width, sources, sources),
                                     attend_floats(length, shape.width / shape.num_heads)});
  return most <= launcher.max_shared_floats();
}

}  // namespace roboimi::attnres::gpu
