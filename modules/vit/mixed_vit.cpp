#include "modules/vit/mixed_vit.h"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <fmt/format.h>
#include <torch/autograd.h>
#include <torch/nn/modules/linear.h>
#include <torch/utils.h>

#include <functional>
#include <vector>

#include "roboimi/common/checked_form.h"
#include "roboimi/common/error.h"
#include "roboimi/common/random.h"
#include "roboimi/contract/autocast.h"

namespace roboimi::vit {
namespace {

constexpr std::int64_t kCheckedImages = 8;

// The weight and bias of several linear layers with the same input.
struct Matrix {
  at::Tensor weight, bias;
};

Matrix matrix_of(std::initializer_list<torch::nn::Linear> linears) {
  std::vector<at::Tensor> weights, biases;
  for (const torch::nn::Linear& linear : linears) {
    weights.push_back(linear->weight);
    biases.push_back(linear->bias);
  }
  if (weights.size() == 1) return {weights[0], biases[0]};
  return {at::cat(weights), at::cat(biases)};
}

at::Tensor apply(const Matrix& matrix, const at::Tensor& x) {
  return at::linear(x, matrix.weight.to(x.scalar_type()), matrix.bias.to(x.scalar_type()));
}

// The matrix of norm() followed by `matrix`, without norm's normalization.
Matrix with_gain(const torch::nn::LayerNorm& norm, const Matrix& matrix) {
  return {matrix.weight * norm->weight, at::addmv(matrix.bias, matrix.weight, norm->bias)};
}

at::Tensor normalized(const at::Tensor& x) {
  return at::layer_norm(x, {x.size(-1)}, {}, {}, kVitLayerNormEps);
}

// The class token and the patches, in front of the first block: [N, 1 + P, D].
at::Tensor embed(VitEmbeddingsImpl& embeddings, const at::Tensor& pixels, std::int64_t patch) {
  const std::int64_t images = pixels.size(0);
  const std::int64_t rows = pixels.size(2) / patch, columns = pixels.size(3) / patch;
  const at::Tensor unfolded = pixels.slice(2, 0, rows * patch)
                                  .slice(3, 0, columns * patch)
                                  .reshape({images, 3, rows, patch, columns, patch})
                                  .permute({0, 2, 4, 1, 3, 5})
                                  .reshape({images, rows * columns, 3 * patch * patch});
  const auto& projection = embeddings.patch_embeddings->projection;
  const at::Tensor tokens = apply({projection->weight.flatten(1), projection->bias}, unfolded);
  const at::Tensor cls = embeddings.cls_token.to(tokens.scalar_type()).expand({images, -1, -1});
  const at::Tensor positions = interpolate_positions(embeddings.position_embeddings, rows, columns,
                                                     pixels.size(2) == pixels.size(3));
  return at::cat({cls, tokens}, 1) + positions.to(tokens.scalar_type());
}

// Attention of `queries` [N, Q, D] to keys and values [N, S, D]: [N, Q, D].
at::Tensor attend(const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& values,
                  std::int64_t heads) {
  const auto split = [heads](const at::Tensor& x) {
    return x.unflatten(2, {heads, x.size(2) / heads}).transpose(1, 2);
  };
  return at::scaled_dot_product_attention(split(queries), split(keys), split(values))
      .transpose(1, 2)
      .flatten(2);
}

at::Tensor add_mlp(VitLayerImpl& layer, const at::Tensor& x) {
  const Matrix first = with_gain(layer.layernorm_after, matrix_of({layer.mlp->fc1}));
  const at::Tensor hidden = at::gelu(apply(first, normalized(x)));
  return x + apply(matrix_of({layer.mlp->fc2}), hidden);
}

at::Tensor block(VitLayerImpl& layer, const at::Tensor& x, std::int64_t heads) {
  VitAttentionImpl& attention = *layer.attention;
  const Matrix joined = with_gain(
      layer.layernorm_before, matrix_of({attention.q_proj, attention.k_proj, attention.v_proj}));
  const std::vector<at::Tensor> qkv = apply(joined, normalized(x)).chunk(3, 2);
  const at::Tensor mixed = attend(qkv[0], qkv[1], qkv[2], heads);
  return add_mlp(layer, x + apply(matrix_of({attention.o_proj}), mixed));
}

// The class token after the block: [N, D].
at::Tensor last_block(VitLayerImpl& layer, const at::Tensor& x, std::int64_t heads) {
  VitAttentionImpl& attention = *layer.attention;
  const Matrix query = with_gain(layer.layernorm_before, matrix_of({attention.q_proj}));
  const Matrix rest =
      with_gain(layer.layernorm_before, matrix_of({attention.k_proj, attention.v_proj}));
  const at::Tensor normed = normalized(x);
  const std::vector<at::Tensor> kv = apply(rest, normed).chunk(2, 2);
  const at::Tensor mixed = attend(apply(query, normed.slice(1, 0, 1)), kv[0], kv[1], heads);
  const at::Tensor cls = x.slice(1, 0, 1) + apply(matrix_of({attention.o_proj}), mixed);
  return add_mlp(layer, cls).squeeze(1);
}

struct Results {
  at::Tensor output;
  at::Tensor gradients;  // of all trained parameters, joined
};

Results run(VitEncoderImpl& encoder, const std::function<at::Tensor()>& forward) {
  const at::Tensor output = forward().to(at::kFloat);
  at::Generator generator = make_generator(1);
  const at::Tensor weights =
      at::randn(output.sizes(), generator, at::TensorOptions(at::kFloat)).to(output.device());
  std::vector<at::Tensor> trained, parts;
  for (const at::Tensor& parameter : encoder.parameters()) {
    if (parameter.requires_grad()) trained.push_back(parameter);
  }
  for (const at::Tensor& gradient : torch::autograd::grad({(output * weights).sum()}, trained)) {
    parts.push_back(gradient.flatten().to(at::kDouble));
  }
  return {.output = output.detach().to(at::kDouble), .gradients = at::cat(parts)};
}

void require_accuracy(const char* of, const at::Tensor& found, const at::Tensor& plain,
                      const at::Tensor& exact) {
  const double norm = exact.norm().item<double>();
  const double error = (found - exact).norm().item<double>() / norm;
  const double allowed =
      kMostErrorRatio * (plain - exact).norm().item<double>() / norm + kMostAddedError;
  // A comparison with NaN is false.
  if (error <= allowed) return;
  throw Error({.what = fmt::format("the {} of the encoder's bfloat16 form are less accurate than "
                                   "those of autocast",
                                   of),
               .expected = fmt::format("a relative error of at most {:.3g}", allowed),
               .found = fmt::format("{:.3g}", error)});
}

}  // namespace

at::Tensor forward_mixed(VitEncoderImpl& encoder, const at::Tensor& pixels, at::ScalarType dtype) {
  ROBOIMI_CHECK(pixels.dim() == 4 && pixels.size(1) == 3, c10::str(pixels.sizes()));
  const Autocast own_precision(pixels.device(), false);
  const VitOptions& options = encoder.options();
  at::Tensor x = embed(*encoder.embeddings, pixels.to(dtype), options.patch_size);
  for (std::int64_t i = 0; i < options.num_layers; ++i) {
    auto& layer = *encoder.layers[static_cast<std::size_t>(i)]->as<VitLayer>();
    x = i + 1 < options.num_layers ? block(layer, x, options.num_heads)
                                   : last_block(layer, x, options.num_heads);
  }
  return encoder.layernorm->forward(x.to(encoder.layernorm->weight.scalar_type()));
}

void compare_mixed_form(VitEncoderImpl& encoder, const at::Tensor& pixels, at::ScalarType dtype) {
  const at::AutoGradMode with_gradients(true);
  const at::Tensor some = pixels.detach().slice(0, 0, kCheckedImages);
  const Results exact = run(encoder, [&] {
    const Autocast full_precision(some.device(), false);
    return encoder.forward_plain(some);
  });
  const Results plain = run(encoder, [&] {
    const Autocast mixed(some.device(), true);
    return encoder.forward_plain(some);
  });
  const Results found = run(encoder, [&] { return forward_mixed(encoder, some, dtype); });
  require_accuracy("features", found.output, plain.output, exact.output);
  require_accuracy("gradients", found.gradients, plain.gradients, exact.gradients);
}

bool uses_mixed_form(VitEncoderImpl& encoder, const at::Tensor& pixels) {
  if (!pixels.is_cuda() || !at::GradMode::is_enabled() || encoder.options().num_layers == 0 ||
      !at::autocast::is_autocast_enabled(at::kCUDA) ||
      at::autocast::get_autocast_dtype(at::kCUDA) != at::kBFloat16 ||
      encoder.layernorm->weight.scalar_type() != at::kFloat) {
    return false;
  }
  static CheckedForm form("the bfloat16 form of the ViT's forward pass", "libtorch's autocast");
  const VitOptions& o = encoder.options();
  const std::string name = fmt::format("{}x{}, {} heads, images of {}x{}", o.num_layers,
                                       o.hidden_size, o.num_heads, pixels.size(2), pixels.size(3));
  return form.is_usable(pixels.device(), name,
                        [&] { compare_mixed_form(encoder, pixels, at::kBFloat16); });
}

}  // namespace roboimi::vit
