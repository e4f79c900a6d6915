// The backward pass of FusedPass, and the autograd function that wraps it.
#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>

#include "modules/attnres/fused_pass.h"
#include "modules/attnres/gemm.h"
#include "modules/attnres/gpu/gpu_pass.h"
#include "modules/attnres/parallel_rows.h"
#include "roboimi/common/error.h"
#include "roboimi/contract/autocast.h"

namespace roboimi::attnres {

template <typename T>
FusedGradients FusedPass<T>::backward(const at::Tensor& grad) {
  ROBOIMI_CHECK(keep_ && saved_.size() == weights_.layers.size(), "backward without forward");
  // Start from the gradient of the output.
  const std::size_t layers = weights_.layers.size();
  const at::Tensor rows = grad.reshape({value_rows_, shape_.width}).contiguous();
  grad_logits_ = at::empty_like(logits_);
  grad_sums_.resize(num_readers());
  grad_sum_rows_.resize(num_readers());
  if (shape_.final_reader) {
    read_backward(layers, rows);
  } else {
    grad_total_ = rows;
  }

  // Go back through the sublayers.
  FusedGradients gradients;
  gradients.weights.layers.resize(layers);
  gradients.weights.queries = at::zeros_like(weights_.queries);
  for (std::size_t i = layers; i-- > 0;) {
    const FusedWeights::SubLayer& weights = weights_.layers[i];
    FusedWeights::SubLayer& grads = gradients.weights.layers[i];
    const auto values = [&](const at::Tensor& all) { return all.narrow(0, 0, value_rows_); };
    const at::Tensor grad_out = source_backward(i + 1, gradients.weights.queries);
    masks_.drop_output(i, grad_out);
    grads.out = product_of(grad_out.t(), values(saved_[i].mixed).t());
    const at::Tensor grad_inner = activate_backward(i, product_of(grad_out, weights.out.t()));
    grads.in = product_of(grad_inner.t(), values(saved_[i].normed).t());
    read_backward(i, norm_backward(i, product_of(grad_inner, weights.in.t()), grads.norm));
    saved_[i] = {};
  }
  const at::Tensor grad_x = source_backward(0, gradients.weights.queries);
  gradients.x = grad_x.view({batch_, length_, shape_.width});
  return gradients;
}

// Returns the complete gradient of a source, and adds its part of the queries' gradient.
template <typename T>
at::Tensor FusedPass<T>::source_backward(std::size_t source, at::Tensor& grad_queries) {
  const auto options = logits_.options();
  const at::Tensor grad = at::empty({value_rows_, shape_.width}, options);
  const at::Tensor coefficients = at::empty({value_rows_, num_readers()}, options);
  kernels::Depth<T> a = depth();
  a.source = a.first_reader = std::int64_t(source);
  a.grad_logits = grad_logits_.data_ptr<T>();
  a.grad_sums = grad_sum_rows_.data();
  a.grad_total = grad_total_.defined() ? grad_total_.const_data_ptr<T>() : nullptr;
  a.grad_source = grad.data_ptr<T>();
  a.coefficients = coefficients.data_ptr<T>();
  over_rows(kernels::depth_source_backward<T>, a, value_rows_);
  const at::Tensor values = sources_[source].narrow(0, 0, value_rows_);
  grad_queries.add_(product_of(coefficients.t(), values.t()));
  return grad;
}

template <typename T>
at::Tensor FusedPass<T>::activate_backward(std::size_t layer, const at::Tensor& grad) const {
  const at::Tensor& inner = saved_[layer].inner;
  const at::Tensor grad_inner = at::empty({value_rows_, inner.size(1)}, inner.options());
  if (layer % 2 == 0) {
    kernels::Attention<T> a = attention(layer, inner);
    a.grad_y = grad.const_data_ptr<T>();
    a.grad_qkv = grad_inner.data_ptr<T>();
    over_rows(kernels::attend_backward<T>, a, batch_, 1);
    return grad_inner;
  }
  kernels::SwiGlu<T> a{};
  a.width = inner.size(1) / 2;
  a.x = inner.const_data_ptr<T>();
  a.grad_y = grad.const_data_ptr<T>();
  a.grad_x = grad_inner.data_ptr<T>();
  over_rows(kernels::swiglu_backward<T>, a, value_rows_);
  return grad_inner;
}

template <typename T>
at::Tensor FusedPass<T>::norm_backward(std::size_t layer, const at::Tensor& grad,
                                       at::Tensor& grad_norm) const {
  const at::Tensor grad_h = at::empty_like(grad);
  // One row of partial sums per thread, so that the same number of threads gives the same result.
  const at::Tensor partial = at::zeros({at::get_num_threads(), shape_.width}, grad.options());
  kernels::RmsNorm<T> a{};
  a.width = shape_.width;
  a.weight = weights_.layers[layer].norm.template const_data_ptr<T>();
  a.x = saved_[layer].input.template const_data_ptr<T>();
  a.grad_y = grad.const_data_ptr<T>();
  a.grad_x = grad_h.data_ptr<T>();
  T* const sums = partial.data_ptr<T>();
  at::parallel_for(0, value_rows_, kGrainRows, [&](std::int64_t begin, std::int64_t end) {
    kernels::RmsNorm<T> local = a;
    local.grad_weight = sums + at::get_thread_num() * a.width;
    kernels::rms_norm_backward<T>(local, begin, end);
  });
  grad_norm = partial.sum(0);
  return grad_h;
}

template <typename T>
void FusedPass<T>::read_backward(std::size_t reader, const at::Tensor& grad) {
  grad_sums_[reader] = grad;
  grad_sum_rows_[reader] = grad.const_data_ptr<T>();
  kernels::Depth<T> a = depth();
  a.reader = a.source = std::int64_t(reader);
  a.grad_logits = grad_logits_.data_ptr<T>();
  a.grad_sums = grad_sum_rows_.data();
  over_rows(kernels::depth_read_backward<T>, a, value_rows_);
}

template class FusedPass<float>;
template class FusedPass<double>;

namespace {

using Variables = torch::autograd::variable_list;

FusedWeights weights_from(at::TensorList flat) {
  FusedWeights weights;
  weights.queries = flat[0].detach().contiguous();
  for (std::size_t i = 1; i < flat.size(); i += 3) {
    weights.layers.push_back({flat[i].detach(), flat[i + 1].detach(), flat[i + 2].detach()});
  }
  return weights;
}

Variables flatten(const FusedWeights& weights) {
  Variables flat = {weights.queries};
  for (const FusedWeights::SubLayer& layer : weights.layers) {
    flat.insert(flat.end(), {layer.norm, layer.in, layer.out});
  }
  return flat;
}

// Holds the pass between forward and backward.
template <typename Pass>
struct Carrier : torch::CustomClassHolder {
  explicit Carrier(Pass p) : pass(std::move(p)) {}
  Pass pass;
};

// An autograd function that runs the pass returned by make(weights, keep).
template <typename Pass, typename Make>
class FusedFunction : public torch::autograd::Function<FusedFunction<Pass, Make>> {
 public:
  static Variables forward(torch::autograd::AutogradContext* context, const Make& make,
                           const at::Tensor& value, const std::optional<at::Tensor>& tangent,
                           at::TensorList weights) {
    auto carrier = c10::make_intrusive<Carrier<Pass>>(make(weights_from(weights), true));
    const Dual y = carrier->pass.forward({value.detach(), tangent.value_or(at::Tensor())});
    context->saved_data["pass"] = at::IValue::make_capsule(std::move(carrier));
    if (!y.tangent.defined()) return {y.value};
    context->mark_non_differentiable({y.tangent});
    return {y.value, y.tangent};
  }

  static Variables backward(torch::autograd::AutogradContext* context, Variables grads) {
    const auto capsule = context->saved_data["pass"].toCapsule();
    auto gradients = static_cast<Carrier<Pass>*>(capsule.get())->pass.backward(grads[0]);
    // One entry per argument of forward: make, value, tangent, weights.
    Variables all = {at::Tensor(), gradients.x, at::Tensor()};
    for (at::Tensor& grad : flatten(gradients.weights)) all.push_back(std::move(grad));
    return all;
  }
};

template <typename Make>
Dual run(const Make& make, const FusedWeights& weights, const Dual& x) {
  using Pass = decltype(make(weights, true));
  if (!at::GradMode::is_enabled()) return make(weights, false).forward(x);
  const Variables flat = flatten(weights);
  // An undefined tensor is not a valid argument, but an empty optional is.
  const auto tangent = x.tangent.defined() ? std::optional(x.tangent) : std::nullopt;
  const Variables y =
      FusedFunction<Pass, Make>::apply(make, x.value, tangent, at::TensorList(flat));
  return {y[0], y.size() > 1 ? y[1] : at::Tensor()};
}

template <typename T>
Dual run_on_cpu(const FusedShape& shape, const FusedWeights& weights, const RopeAngles& angles,
                const DropoutMasks& masks, const Dual& x) {
  const auto make = [&](FusedWeights w, bool keep) {
    return FusedPass<T>(shape, std::move(w), angles, masks, keep);
  };
  return run(make, weights, x);
}

}  // namespace

Dual fused_forward(const FusedShape& shape, const FusedWeights& weights, const RopeAngles& angles,
                   const DropoutMasks& masks, const Dual& x) {
  return x.value.scalar_type() == at::kDouble ? run_on_cpu<double>(shape, weights, angles, masks, x)
                                              : run_on_cpu<float>(shape, weights, angles, masks, x);
}

Dual fused_forward(const FusedShape& shape, const FusedWeights& weights, const RopeAngles& angles,
                   const DropoutMasks& masks, const Dual& x, const gpu::Launcher& launcher,
                   bool half) {
  // The pass chooses its own precision.
  const Autocast full_precision(x.value.device(), false);
  const auto make = [&](FusedWeights w, bool keep) {
    return gpu::GpuPass(shape, std::move(w), angles, masks, launcher, half, keep);
  };
  return run(make, weights, x);
}

}  // namespace roboimi::attnres
