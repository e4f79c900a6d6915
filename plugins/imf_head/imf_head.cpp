#include "plugins/imf_head/imf_head.h"

#include <ATen/ATen.h>
#include <torch/nn/init.h>

#include "plugins/imf_head/load_weights.h"
#include "roboimi/common/bfloat16.h"
#include "roboimi/common/error.h"
#include "roboimi/common/memory.h"
#include "roboimi/common/random.h"
#include "roboimi/contract/weights_follow.h"

namespace roboimi::imf_head {
namespace {

constexpr double kInitStd = 0.02;
constexpr double kTimePeriod = 1e4;
// Lower bound of the divisor t in u = (z - x') / t (JiT, arXiv 2511.13720).
constexpr double kMinTime = 0.05;
// Largest difference between a replayed graph and the same kernels launched one by one, relative to
// the largest action; products in TF32 may differ by 1e-3.
constexpr double kReplayTolerance = 5e-3;

void check_sizes(const ImfOptions& o) {
  const auto require = [](bool fits, const std::string& expected, const std::string& found) {
    if (!fits)
      throw Error({.what = "invalid sizes of imf_head", .expected = expected, .found = found});
  };
  require(o.n_emb % (2 * o.n_head) == 0, "n_emb divisible by 2 * n_head (rotary pairs)",
          c10::str("n_emb ", o.n_emb, ", n_head ", o.n_head));
  require(o.n_emb >= 4, "n_emb of at least 4", c10::str(o.n_emb));
  require(o.n_head % o.n_kv_head == 0, "n_head divisible by n_kv_head",
          c10::str("n_head ", o.n_head, ", n_kv_head ", o.n_kv_head));
  require(o.residual == attnres::Residual::kAttention || o.output == attnres::Output::kSum,
          "output: sum with residual: plain", "output: final_depth_attention");
}

// Counts four attention matrices and three feed-forward matrices per block; the feed-forward width
// is 2.667 times a token's.
void check_memory(const ImfOptions& o) {
  const auto width = static_cast<double>(o.n_emb);
  const double kv_share = static_cast<double>(o.n_kv_head) / static_cast<double>(o.n_head);
  const double numbers =
      static_cast<double>(o.n_layer) * width * width * (2 + 2 * kv_share + 3 * 2.667);
  require_memory(numbers * sizeof(float), "the weights of the head", "imf_head",
                 "lower n_emb or n_layer");
}

at::Tensor per_sample(const at::Tensor& times) { return times.view({-1, 1, 1}); }

// w_k = 10000^(-k / (half - 1)), [half], like `times`.
at::Tensor frequencies(std::int64_t half, const at::Tensor& times) {
  const at::Tensor exponent = at::arange(half, times.options()) / -double(half - 1);
  return at::pow(kTimePeriod, exponent);
}

}  // namespace

ImfHead::ImfHead(const ImfOptions& options, const HeadSpec& spec)
    : options_(options),
      spec_(spec),
      latent_(options.latent),
      sampling_("sampling with imf_head", {.tolerance = kReplayTolerance},
                [this](const std::vector<at::Tensor>& inputs) {
                  return integrate_directly(inputs[0], inputs[1]);
                }) {
  check_sizes(options);
  check_memory(options);
  const std::int64_t width = options.n_emb;
  input_emb_ = register_module("input_emb", torch::nn::Linear(spec.action_dim, width));
  cond_obs_emb_ = register_module("cond_obs_emb", torch::nn::Linear(spec.per_step_cond_dim, width));
  time_token_proj_ = register_module("time_token_proj", torch::nn::Linear(width, width));
  transformer_ =
      register_module("attnres_backbone", attnres::Transformer(attnres::TransformerOptions{
                                              .width = width,
                                              .num_blocks = options.n_layer,
                                              .num_heads = options.n_head,
                                              .num_kv_heads = options.n_kv_head,
                                              .dropout = options.dropout,
                                              .residual = options.residual,
                                              .output = options.output,
                                              .sublayers_per_source = options.sublayers_per_source,
                                              .infers_in_bfloat16 = options.infers_in_bfloat16}));
  ln_f_ = register_module("ln_f", attnres::RmsNorm(width));
  head_ = register_module("head", torch::nn::Linear(width, spec.action_dim));
  initialize();
  if (!options.checkpoint.empty() && !WeightsFollow::active()) load_checkpoint();
}

ImfHead::~ImfHead() = default;

void ImfHead::load_checkpoint() {
  const std::vector<std::string> ignored =
      load_weights(*this, options_.checkpoint, options_.state_dict);
  if (ignored.empty() || options_.prediction == Prediction::kVelocity) return;
  throw Error({.what = "the weights come from the public IMF head, which predicts the velocity",
               .where = options_.checkpoint,
               .expected = "prediction: velocity",
               .found = "prediction: sample",
               .next = "set agent.head.prediction=velocity"});
}

// Matrices from N(0, 0.02), biases 0; norm weights stay 1 and pseudo-queries 0.
void ImfHead::initialize() {
  at::NoGradGuard no_grad;
  for (auto& parameter : named_parameters()) {
    at::Tensor& value = parameter.value();
    if (value.dim() == 2) value.normal_(0.0, kInitStd);
    if (parameter.key().ends_with(".bias")) value.zero_();
  }
}

bool ImfHead::decays(const std::string&, const at::Tensor& parameter) const {
  return parameter.dim() >= 2;
}

at::Tensor ImfHead::time_features(const at::Tensor& times) const {
  const at::Tensor angle = times.unsqueeze(-1) * frequencies(options_.n_emb / 2, times);
  return at::cat({angle.sin(), angle.cos()}, -1);
}

at::Tensor ImfHead::embed(const at::Tensor& z, const at::Tensor& r, const at::Tensor& t,
                          const at::Tensor& cond) {
  const at::Tensor times = at::stack({time_features(r), time_features(t)}, 1);
  return at::cat({time_token_proj_(times), cond_obs_emb_(cond), input_emb_(z)}, 1);
}

at::Tensor ImfHead::embed_tangent(const at::Tensor& dz, const at::Tensor& t) {
  const at::Tensor frequency = frequencies(options_.n_emb / 2, t);
  const at::Tensor angle = t.unsqueeze(-1) * frequency;
  const at::Tensor features = at::cat({angle.cos() * frequency, -angle.sin() * frequency}, -1);
  const at::Tensor moved = at::matmul(features, time_token_proj_->weight.t()).unsqueeze(1);
  const at::Tensor still = at::zeros({dz.size(0), spec_.obs_horizon, options_.n_emb}, dz.options());
  return at::cat({at::zeros_like(moved), moved, still, at::matmul(dz, input_emb_->weight.t())}, 1);
}

at::Tensor ImfHead::read_out(const at::Tensor& mixed) {
  const std::int64_t horizon = spec_.pred_horizon;
  return head_(ln_f_(mixed.narrow(1, mixed.size(1) - horizon, horizon)));
}

at::Tensor ImfHead::read_out_tangent(const at::Tensor& mixed, const at::Tensor& tangent) {
  const std::int64_t horizon = spec_.pred_horizon;
  const at::Tensor x = mixed.narrow(1, mixed.size(1) - horizon, horizon);
  const at::Tensor dx = tangent.narrow(1, mixed.size(1) - horizon, horizon);
  return at::matmul(attnres::rms_norm_tangent(x, dx, ln_f_->weight), head_->weight.t());
}

at::Tensor ImfHead::to_velocity(const at::Tensor& output, const at::Tensor& z,
                                const at::Tensor& t) const {
  if (options_.prediction == Prediction::kVelocity) return output;
  return (z - output) / per_sample(t.clamp_min(kMinTime));
}

at::Tensor ImfHead::to_velocity_tangent(const at::Tensor& output_tangent, const at::Tensor& dz,
                                        const at::Tensor& u, const at::Tensor& t) const {
  if (options_.prediction == Prediction::kVelocity) return output_tangent;
  const at::Tensor moves = per_sample((t > kMinTime).to(u.scalar_type()));
  return (dz - output_tangent - moves * u) / per_sample(t.clamp_min(kMinTime));
}

at::Tensor ImfHead::velocity(const at::Tensor& z, const at::Tensor& r, const at::Tensor& t,
                             const at::Tensor& cond, at::Generator* generator) {
  at::Tensor tokens = embed(z, r, t, cond);
  if (generator != nullptr) tokens = dropout(tokens, options_.dropout, *generator);
  return to_velocity(read_out(transformer_(tokens, generator)), z, t);
}

at::Tensor ImfHead::compound_velocity(const at::Tensor& z, const Draw& draw, const at::Tensor& cond,
                                      at::Generator* generator) {
  const std::int64_t equal = draw.num_equal, rest = z.size(0) - equal;
  if (rest == 0) return velocity(z, draw.r, draw.t, cond, generator);
  const auto last = [&](const at::Tensor& all) { return all.narrow(0, equal, rest); };
  const at::Tensor r = last(draw.r), t = last(draw.t);

  // Token values of the whole batch, and tangents of the samples with r < t.
  attnres::Dual x;
  at::Tensor v;
  {
    at::NoGradGuard no_grad;
    v = velocity(last(z), t, t, last(cond), generator);
    x.tangent = embed_tangent(v, t);
  }
  x.value = embed(z, draw.r, draw.t, cond);
  if (generator != nullptr && options_.dropout > 0.0) {
    // A token and its derivative share one dropout mask.
    const at::Tensor mask = dropout(at::ones_like(x.value), options_.dropout, *generator);
    x = {x.value * mask, x.tangent * last(mask)};
  }

  // u, plus the correction (t - r) du/dt without gradient.
  const attnres::Dual y = transformer_->forward_dual(x, generator);
  const at::Tensor u = to_velocity(read_out(y.value), z, draw.t);
  at::Tensor correction = at::zeros_like(z);
  {
    at::NoGradGuard no_grad;
    const at::Tensor slope =
        to_velocity_tangent(read_out_tangent(last(y.value), y.tangent), v, last(u), t);
    last(correction).copy_(per_sample(t - r) * slope);
  }
  return u + correction;
}

LossReport ImfHead::objective(const at::Tensor& actions, const at::Tensor& cond,
                              const at::Tensor& is_pad, const Draw& draw,
                              at::Generator* generator) {
  const at::Tensor x = latent_.encode(actions);
  const at::Tensor t = per_sample(draw.t);
  const at::Tensor z = (1.0 - t) * x + t * draw.noise;
  const at::Tensor velocity = compound_velocity(z, draw, cond, generator);
  // Padding applies to time steps, so the error is transformed back from frequencies first.
  const at::Tensor difference = latent_.decode(velocity - (draw.noise - x));
  const at::Tensor valid = is_pad.logical_not().to(difference.scalar_type()).unsqueeze(-1);
  LossReport report;
  report.loss = reduce_loss(options_.loss, difference, valid);
  at::NoGradGuard no_grad;
  report.metrics["velocity_mse"] = reduce_loss(LossKind::kMse, difference.detach(), valid);
  return report;
}

LossReport ImfHead::loss(const at::Tensor& actions, const Condition& condition,
                         const at::Tensor& is_pad, at::Generator& generator) {
  check_loss_arguments(actions, condition, is_pad);
  const Draw random = draw(actions, options_.one_step_share, generator);
  const bool drops = is_training() && options_.dropout > 0.0;
  return objective(actions, condition.steps, is_pad, random, drops ? &generator : nullptr);
}

// Work in another mode may replace tensors that the graphs use besides the weights, such as RoPE's
// table.
void ImfHead::train(bool on) {
  sampling_.drop();
  Head::train(on);
}

// Parameters move if the module is moved to another device, or the trainer lays them out.
void ImfHead::drop_stale_graphs() {
  std::vector<const void*> weights;
  for (const at::Tensor& parameter : parameters()) weights.push_back(parameter.const_data_ptr());
  if (weights == graphed_weights_) return;
  sampling_.drop();
  graphed_weights_ = std::move(weights);
}

at::Tensor ImfHead::integrate(const at::Tensor& noise, const at::Tensor& cond) {
  if (is_training() || !cond.is_cuda()) return integrate_directly(noise, cond);
  drop_stale_graphs();
  return sampling_.run({noise, cond});
}

at::Tensor ImfHead::integrate_directly(const at::Tensor& noise, const at::Tensor& cond) {
  at::NoGradGuard no_grad;
  if (options_.infers_in_bfloat16 && cond.is_cpu()) {
    require_cpu_bfloat16("agent.head.inference_precision");
  }
  const std::int64_t steps = options_.num_inference_steps;
  at::Tensor z = noise;
  for (std::int64_t i = steps; i > 0; --i) {
    const at::Tensor t = at::full({z.size(0)}, double(i) / double(steps), z.options());
    const at::Tensor r = at::full({z.size(0)}, double(i - 1) / double(steps), z.options());
    const at::Tensor u = to_velocity(read_out(transformer_->infer(embed(z, r, t, cond))), z, t);
    z = z - per_sample(t - r) * u;
  }
  return latent_.decode(z);
}

at::Tensor ImfHead::sample(const Condition& condition, const BatchGenerator& noise,
                           const at::Tensor& prefix) {
  check_sample_arguments(condition, prefix);
  const at::Tensor& cond = condition.steps;
  const at::Tensor start =
      noise.randn({cond.size(0), spec_.pred_horizon, spec_.action_dim}, cond.options());
  return integrate(start, cond);
}

}  // namespace roboimi::imf_head
