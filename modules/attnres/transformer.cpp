#include "modules/attnres/transformer.h"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>

#include "modules/attnres/dual_level.h"
#include "modules/attnres/gpu/gpu_pass.h"
#include "modules/attnres/gpu/usable_launcher.h"
#include "modules/attnres/joined_rows.h"
#include "roboimi/common/error.h"

namespace roboimi::attnres {
namespace {

bool autocasts_to_bfloat16() {
  return at::autocast::is_autocast_enabled(at::kCUDA) &&
         at::autocast::get_autocast_dtype(at::kCUDA) == at::kBFloat16;
}

}  // namespace

PseudoQueryImpl::PseudoQueryImpl(std::int64_t width) {
  pseudo_query = register_parameter("pseudo_query", at::zeros({width}));
}

SubLayerImpl::SubLayerImpl(const TransformerOptions& options, bool is_attention) {
  norm = register_module("norm", RmsNorm(options.width));
  if (options.residual == Residual::kAttention) {
    attn_res = register_module("attn_res", PseudoQuery(options.width));
  }
  if (is_attention) {
    attention = register_module("fn", GroupedQueryAttention(options.width, options.num_heads,
                                                            options.num_kv_heads, options.dropout));
  } else {
    feed_forward = register_module("fn", SwiGlu(options.width, options.dropout));
  }
}

at::Tensor SubLayerImpl::forward(const at::Tensor& h, const RopeTable& rope,
                                 at::Generator* generator) {
  const at::Tensor x = norm(h);
  return attention ? attention(x, rope, generator) : feed_forward(x, generator);
}

TransformerImpl::TransformerImpl(const TransformerOptions& options)
    : options_(options), rope_(options.width / options.num_heads) {
  ROBOIMI_CHECK(options.residual == Residual::kAttention || options.output == Output::kSum,
                "plain residuals have no pseudo-queries for a final depth attention");
  auto list = register_module("layers", torch::nn::ModuleList());
  for (std::int64_t i = 0; i < 2 * options.num_blocks; ++i) {
    layers_.emplace_back(options, i % 2 == 0);
    list->push_back(layers_.back());
  }
  if (options.output == Output::kDepthAttention) {
    final_attn_res_ = register_module("final_attn_res", PseudoQuery(options.width));
  }
  parameters_ = parameters();
}

at::Tensor TransformerImpl::pseudo_queries() const {
  std::vector<at::Tensor> rows;
  for (const SubLayer& layer : layers_) rows.push_back(layer->attn_res->pseudo_query);
  if (final_attn_res_) rows.push_back(final_attn_res_->pseudo_query);
  return at::stack(rows);
}

bool TransformerImpl::can_fuse() const {
  return options_.residual == Residual::kAttention && options_.sublayers_per_source == 1;
}

bool TransformerImpl::can_fuse_on_cpu(const at::Tensor& x) const {
  return x.is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble) &&
         can_fuse();
}

const gpu::Launcher* TransformerImpl::launcher_for(const at::Tensor& x,
                                                   const at::Generator* generator) const {
  const bool is_float = x.scalar_type() == at::kFloat ||
                        (x.scalar_type() == at::kBFloat16 && autocasts_to_bfloat16());
  if (!x.is_cuda() || !is_float || !can_fuse()) return nullptr;
  const gpu::Launcher* launcher = gpu::usable_launcher(
      x.device(), /*with_dropout=*/generator != nullptr && options_.dropout > 0.0);
  const bool fits = launcher != nullptr &&
                    gpu::fits(*launcher, fused_shape(), std::int64_t(layers_.size()), x.size(1));
  return fits ? launcher : nullptr;
}

FusedShape TransformerImpl::fused_shape() const {
  return {.width = options_.width,
          .num_heads = options_.num_heads,
          .num_kv_heads = options_.num_kv_heads,
          .final_reader = options_.output == Output::kDepthAttention};
}

FusedWeights TransformerImpl::fused_weights() const {
  FusedWeights weights;
  for (const SubLayer& layer : layers_) {
    if (layer->attention) {
      const GroupedQueryAttentionImpl& fn = *layer->attention;
      weights.layers.push_back({layer->norm->weight,
                                joined_rows({fn.w_q->weight, fn.w_k->weight, fn.w_v->weight}),
                                fn.w_o->weight});
    } else {
      const SwiGluImpl& fn = *layer->feed_forward;
      weights.layers.push_back({layer->norm->weight,
                                joined_rows({fn.w_gate->weight, fn.w_up->weight}),
                                fn.w_down->weight});
    }
  }
  weights.queries = pseudo_queries();
  return weights;
}

DropoutMasks TransformerImpl::masks_for(const Dual& x, bool half, at::Generator* generator) const {
  if (generator == nullptr || options_.dropout == 0.0) return {};
  return draw_masks(x, options_.num_heads, layers_.size(), options_.dropout, half, *generator);
}

at::Tensor TransformerImpl::forward(const at::Tensor& x, at::Generator* generator) {
  if (launcher_for(x, generator) == nullptr && !can_fuse_on_cpu(x))
    return forward_composed(x, generator);
  return forward_dual({x, {}}, generator).value;
}

Dual TransformerImpl::forward_dual(const Dual& x, at::Generator* generator) {
  if (const gpu::Launcher* launcher = launcher_for(x.value, generator)) {
    return forward_dual_on(x, *launcher, autocasts_to_bfloat16(), generator);
  }
  if (!can_fuse_on_cpu(x.value)) return forward_dual_composed(x, generator);
  const RopeAngles& angles = rope_.angles(x.value.size(1), x.value.options());
  return fused_forward(fused_shape(), fused_weights(), angles, masks_for(x, false, generator), x);
}

Dual TransformerImpl::forward_dual_on(const Dual& x, const gpu::Launcher& launcher, bool half,
                                      at::Generator* generator) {
  const auto as_float = [](const at::Tensor& t) { return t.defined() ? t.to(at::kFloat) : t; };
  const Dual input{.value = as_float(x.value), .tangent = as_float(x.tangent)};
  const RopeAngles& angles = rope_.angles(input.value.size(1), input.value.options());
  return fused_forward(fused_shape(), fused_weights(), angles, masks_for(input, half, generator),
                       input, launcher, half);
}

at::Tensor TransformerImpl::infer(const at::Tensor& x) {
  at::NoGradGuard no_grad;
  if (!can_fuse_on_cpu(x)) return forward(x);
  const FusedWeights& weights =
      packed_.get(parameters_, x.size(0) * x.size(1), options_.infers_in_bfloat16,
                  [this] { return fused_weights(); });
  const RopeAngles& angles = rope_.angles(x.size(1), x.options());
  return fused_forward(fused_shape(), weights, angles, {}, {x, {}}).value;
}

at::Tensor TransformerImpl::forward_composed(const at::Tensor& x, at::Generator* generator) {
  return options_.residual == Residual::kPlain ? forward_plain(x, generator)
                                               : forward_depth(x, generator);
}

Dual TransformerImpl::forward_dual_composed(const Dual& x, at::Generator* generator) {
  const std::int64_t with_tangent = x.tangent.size(0);
  const std::int64_t without = x.value.size(0) - with_tangent;
  std::vector<at::Tensor> values;
  if (without > 0) values.push_back(forward_composed(x.value.narrow(0, 0, without), generator));
  const DualLevel level;
  const at::Tensor tail = x.value.narrow(0, without, with_tangent);
  const Dual y = level.unpack(forward_composed(level.make({tail, x.tangent}), generator));
  values.push_back(y.value);
  return {.value = at::cat(values), .tangent = y.tangent.detach()};
}

at::Tensor TransformerImpl::forward_plain(const at::Tensor& x, at::Generator* generator) {
  at::Tensor sum = x;
  for (SubLayer& layer : layers_) sum = sum + layer(sum, rope_, generator);
  return sum;
}

at::Tensor TransformerImpl::forward_depth(const at::Tensor& x, at::Generator* generator) {
  DepthAttention depth(pseudo_queries());
  depth.push(x);
  at::Tensor sum = x;
  at::Tensor partial;  // of the sublayers since the last complete source
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const at::Tensor output =
        layers_[i](depth.read(static_cast<std::int64_t>(i)), rope_, generator);
    sum = sum + output;
    if (partial.defined()) depth.pop();
    partial = partial.defined() ? partial + output : output;
    depth.push(partial);
    const bool complete = (static_cast<std::int64_t>(i) + 1) % options_.sublayers_per_source == 0;
    if (complete) partial = at::Tensor();
  }
  if (!final_attn_res_) return sum;
  return depth.read(static_cast<std::int64_t>(layers_.size()));
}

}  // namespace roboimi::attnres
