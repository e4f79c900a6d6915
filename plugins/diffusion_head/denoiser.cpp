#include "plugins/diffusion_head/denoiser.h"

#include <ATen/ATen.h>

#include <cmath>

#include "roboimi/common/error.h"

namespace roboimi::diffusion_head {
namespace {

at::Tensor copy_of(const at::Tensor& parameter) { return parameter.detach().clone(); }

vit::PackedLinear packed(const at::Tensor& weight, const at::Tensor& bias, std::int64_t rows) {
  return vit::PackedLinear(weight, bias, weight.scalar_type(), rows);
}

}  // namespace

Denoiser::Denoiser(Transformer network, const std::vector<double>& times)
    : network_(std::move(network)),
      weights_(network_->parameters(), WeightState::method_for(network_->pos_emb)) {
  at::NoGradGuard no_grad;
  // Copies of the small weights; the input bias is folded into the positions.
  input_weight_ = copy_of(network_->input_emb->weight);
  positions_ = copy_of(network_->pos_emb[0]) + network_->input_emb->bias;
  norm_weight_ = copy_of(network_->ln_f->weight);
  norm_bias_ = copy_of(network_->ln_f->bias);
  head_weight_ = copy_of(network_->head->weight);
  head_bias_ = copy_of(network_->head->bias);
  stack_cross_attention();

  // Keys and values of the time token, for every evaluation time.
  const at::Tensor all = at::tensor(times, input_weight_.options());
  const at::Tensor tokens = network_->time_features(all) + network_->cond_pos_emb[0][0];
  times_ = fold(network_->encoder(tokens));
}

bool Denoiser::stale() const { return !weights_.is_of(network_->parameters()); }

void Denoiser::pack(std::int64_t rows) {
  layers_.clear();
  rows_ = rows;
  for (const auto& module : *network_->decoder->layers) {
    const auto& layer = *module->as<DecoderLayer>();
    const auto& attention = *layer.self_attn;
    layers_.push_back({.norm1_weight = copy_of(layer.norm1->weight),
                       .norm1_bias = copy_of(layer.norm1->bias),
                       .norm2_weight = copy_of(layer.norm2->weight),
                       .norm2_bias = copy_of(layer.norm2->bias),
                       .norm3_weight = copy_of(layer.norm3->weight),
                       .norm3_bias = copy_of(layer.norm3->bias),
                       .qkv = packed(attention.in_proj_weight, attention.in_proj_bias, rows),
                       .out = packed(attention.out_proj->weight, attention.out_proj->bias, rows),
                       .fc1 = packed(layer.linear1->weight, layer.linear1->bias, rows),
                       .fc2 = packed(layer.linear2->weight, layer.linear2->bias, rows)});
  }
}

void Denoiser::stack_cross_attention() {
  const std::int64_t width = network_->options().n_emb, heads = network_->options().n_head;
  const std::int64_t head_dim = width / heads;
  const double scale = 1.0 / std::sqrt(double(head_dim));
  std::vector<at::Tensor> memory_weights, memory_biases, query_weights, query_biases, out_weights,
      out_biases;
  for (const auto& module : *network_->decoder->layers) {
    const auto& attention = *module->as<DecoderLayer>()->multihead_attn;
    const auto weights = attention.in_proj_weight.split({width, 2 * width});
    const auto biases = attention.in_proj_bias.split({width, 2 * width});
    query_weights.push_back((weights[0] * scale).view({heads, head_dim, width}));
    query_biases.push_back((biases[0] * scale).view({heads, head_dim, 1}));
    memory_weights.push_back(weights[1]);
    memory_biases.push_back(biases[1]);
    out_weights.push_back(attention.out_proj->weight.t().reshape({heads, head_dim, width}));
    // A head's attention weights sum to 1, so adding a share of the bias to each of its values adds
    // up to the whole bias.
    out_biases.push_back(attention.out_proj->bias / double(heads));
  }
  memory_weight_ = at::cat(memory_weights);
  memory_bias_ = at::cat(memory_biases);
  query_weight_ = at::cat(query_weights);
  query_bias_ = at::cat(query_biases);
  out_weight_ = at::cat(out_weights);
  out_bias_ = at::stack(out_biases).view({-1, 1, 1, width});
}

// Projects memory tokens [N, D] to keys and values of all layers, with the query and output
// matrices folded in.
Denoiser::Folded Denoiser::fold(const at::Tensor& memory) const {
  const std::int64_t width = network_->options().n_emb, heads = network_->options().n_head;
  const std::int64_t count = memory.size(0), layers = network_->options().n_layer;
  // [N, L, 2, heads, head_dim] -> [2, L heads, N, head_dim]
  const at::Tensor projected = at::linear(memory, memory_weight_, memory_bias_)
                                   .view({count, layers, 2, heads, width / heads})
                                   .permute({2, 1, 3, 0, 4})
                                   .reshape({2, layers * heads, count, width / heads});
  return {
      .keys = at::bmm(projected[0], query_weight_).view({layers, heads, count, width}),
      .values = at::bmm(projected[1], out_weight_).view({layers, heads, count, width}) + out_bias_,
      .offsets = at::bmm(projected[0], query_bias_).view({layers, heads, count})};
}

void Denoiser::observe(const at::Tensor& cond) {
  at::NoGradGuard no_grad;
  batch_ = cond.size(0);
  const std::int64_t horizon = positions_.size(0), observed = cond.size(1);
  if (rows_ != batch_ * horizon) pack(batch_ * horizon);

  // Keys and values of the observation tokens.
  const at::Tensor tokens =
      network_->cond_obs_emb(cond) + network_->cond_pos_emb.narrow(1, 1, observed);
  const Folded folded = fold(network_->encoder(tokens).flatten(0, 1));
  // [L, heads, B To, ...] -> [L, B, heads, To, ...], after an empty slot for the time token.
  const auto placed = [&](const at::Tensor& x) {
    return x.unflatten(2, {batch_, observed}).transpose(1, 2);
  };
  const auto behind_time = [&](const at::Tensor& x) {
    return at::constant_pad_nd(placed(x), {0, 0, 1, 0}).contiguous();
  };
  keys_ = behind_time(folded.keys);
  values_ = behind_time(folded.values);
  const at::Tensor offsets = at::constant_pad_nd(placed(folded.offsets), {1, 0});
  offsets_ = (offsets.unsqueeze(2) + network_->memory_mask(cond).unsqueeze(1)).contiguous();
}

at::Tensor Denoiser::norm(const at::Tensor& x, const at::Tensor& weight,
                          const at::Tensor& bias) const {
  return at::layer_norm(x, weight.sizes(), weight, bias);
}

// x [B H, D] -> x + causal self-attention
at::Tensor Denoiser::self_attention(const Layer& layer, const at::Tensor& x) const {
  const std::int64_t width = x.size(1), heads = network_->options().n_head;
  const auto parts = layer.qkv.forward(norm(x, layer.norm1_weight, layer.norm1_bias))
                         .view({batch_, -1, 3, heads, width / heads})
                         .permute({2, 0, 3, 1, 4})
                         .unbind(0);
  const at::Tensor mixed = at::scaled_dot_product_attention(parts[0], parts[1], parts[2], {}, 0.0,
                                                            /*is_causal=*/true);
  return layer.out.forward_add(mixed.transpose(1, 2).reshape({-1, width}), x);
}

// x [B H, D] -> x + cross-attention to the memory
at::Tensor Denoiser::cross_attention(std::int64_t index, const at::Tensor& x) const {
  const Layer& layer = layers_[std::size_t(index)];
  const at::Tensor queries =
      norm(x, layer.norm2_weight, layer.norm2_bias).view({batch_, -1, x.size(1)});
  const at::Tensor keys = keys_[index].flatten(1, 2), values = values_[index].flatten(1, 2);
  const at::Tensor offsets = offsets_[index];  // [B, H, heads, S]
  const at::Tensor logits = at::baddbmm(offsets.flatten(2), queries, keys.transpose(1, 2));
  const at::Tensor weights = logits.view(offsets.sizes()).softmax(-1).flatten(2);
  return at::baddbmm(x.view(queries.sizes()), weights, values).view(x.sizes());
}

at::Tensor Denoiser::evaluate(const at::Tensor& z, std::int64_t step) {
  ROBOIMI_CHECK(z.size(0) == batch_, c10::str("z ", z.sizes(), " after a batch of ", batch_));
  at::NoGradGuard no_grad;
  // Puts this evaluation's time token into slot 0 of the memory.
  keys_.select(3, 0).copy_(times_.keys.select(2, step).unsqueeze(1));
  values_.select(3, 0).copy_(times_.values.select(2, step).unsqueeze(1));
  offsets_.select(4, 0).copy_(times_.offsets.select(2, step).unsqueeze(1).unsqueeze(1));

  // Embeds the actions and runs the decoder layers.
  at::Tensor x = (at::matmul(z, input_weight_.t()) + positions_).flatten(0, 1);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    x = cross_attention(std::int64_t(i), self_attention(layer, x));
    const at::Tensor inner =
        layer.fc1.forward(norm(x, layer.norm3_weight, layer.norm3_bias), vit::Activation::kGelu);
    x = layer.fc2.forward_add(inner, x);
  }
  return at::linear(norm(x, norm_weight_, norm_bias_), head_weight_, head_bias_).view(z.sizes());
}

}  // namespace roboimi::diffusion_head
