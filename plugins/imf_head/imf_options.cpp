// The option table, and its translation.
#include <torch/cuda.h>

#include <charconv>

#include "plugins/imf_head/imf_head.h"
#include "roboimi/common/bfloat16.h"
#include "roboimi/common/error.h"
#include "roboimi/contract/condition.h"

namespace roboimi::imf_head {
namespace {

LossKind loss_from(const std::string& name) {
  if (name == "mse") return LossKind::kMse;
  return name == "adaptive_l2" ? LossKind::kAdaptiveL2 : LossKind::kPseudoHuber;
}

// "full" -> 1, "block(4)" -> 4.
std::int64_t sublayers_per_source(const Options& options) {
  const std::string& text = options.text("attnres");
  if (text == "full") return 1;
  std::int64_t size = 0;
  if (text.starts_with("block(") && text.ends_with(")")) {
    const char* const last = text.data() + text.size() - 1;
    const auto [end, error] = std::from_chars(text.data() + 6, last, size);
    if (error != std::errc() || end != last) size = 0;
  }
  if (size < 1) {
    options.fail("attnres", "not a kind of attention residual",
                 "full, or block(n) with n >= 1 sublayers a source");
  }
  return size;
}

// What is given for attention residuals has no meaning without them, nor bf16 where the sublayers
// are not fused.
void check_residual(const Options& options) {
  const bool is_plain = options.text("residual") == "plain";
  if (is_plain && options.text("attnres") != "full") {
    options.fail("attnres", "there are no sources with plain residuals",
                 "full, or residual: attnres");
  }
  if (options.text("inference_precision") != "bf16") return;
  if (is_plain || options.text("attnres") != "full") {
    options.fail("inference_precision",
                 "only the head with full attention residuals computes in bf16",
                 "fp32 or auto, or residual: attnres with attnres: full");
  }
}

// Under auto fp32 where the processor has no instructions for bf16: it would be slower there.
bool infers_in_bfloat16(const std::string& precision) {
  if (precision == "auto") return cpu_bfloat16().is_native;
  // With a GPU the device is known only when a chunk is made.
  if (precision == "bf16" && !torch::cuda::is_available()) {
    require_cpu_bfloat16("agent.head.inference_precision");
  }
  return precision == "bf16";
}

}  // namespace

Schema schema() {
  Schema s;
  s.integer("n_emb", 384, "width of a token").range(4, 16384);
  s.integer("n_layer", 12, "transformer blocks; each is attention, then SwiGLU").range(1, 256);
  s.integer("n_head", 8, "attention heads").at_least(1);
  s.optional_integer("n_kv_head", "key and value heads; n_head when left out").at_least(1);
  s.number("dropout", 0.0, "dropout probability in training").range(0.0, 0.99);
  s.integer("num_inference_steps", 1, "network evaluations per action chunk").at_least(1);
  s.text("prediction", "velocity",
         "what the network gives: the mean velocity u, or the sample z - t u")
      .one_of({"velocity", "sample"});
  s.text("loss", "pseudo_huber", "distance between V and e - x")
      .one_of({"pseudo_huber", "mse", "adaptive_l2"});
  s.text("inference_precision", "fp32",
         "of the matrices when chunks are made, on a CPU with full attention residuals (fp32 "
         "elsewhere); auto: bf16 where the CPU has AVX512-BF16")
      .one_of({"fp32", "bf16", "auto"});
  s.number(
       "one_step_share", 0.0,
       "share of the samples with r < t that are trained at r = 0, t = 1, where one step samples")
      .range(0.0, 1.0);
  s.text("output", "sum", "what follows the last sublayer")
      .one_of({"sum", "final_depth_attention"});
  s.text("attnres", "full", "sources: every sublayer (full), or sums of n sublayers (block(n))");
  s.text("residual", "attnres", "depth attention, or a plain residual stream for comparison")
      .one_of({"attnres", "plain"});
  s.text("latent", "identity", "what is modelled: actions, or their DCT along the horizon")
      .one_of({"identity", "dct"});
  s.optional_integer("cond_dim", "numbers a condition step has; checked when given").at_least(1);
  s.optional_path("checkpoint", "weights to start from, by the public IMF head's names");
  s.optional_text("state_dict", "which weights, where the checkpoint holds several: ema_model");
  return s;
}

std::shared_ptr<Head> create(const Options& options, const HeadSpec& spec) {
  check_cond_dim(options, spec);
  check_residual(options);
  ImfOptions o;
  o.n_emb = options.integer("n_emb");
  o.n_layer = options.integer("n_layer");
  o.n_head = options.integer("n_head");
  o.n_kv_head = options.has("n_kv_head") ? options.integer("n_kv_head") : o.n_head;
  o.dropout = options.number("dropout");
  o.num_inference_steps = options.integer("num_inference_steps");
  o.loss = loss_from(options.text("loss"));
  o.prediction =
      options.text("prediction") == "sample" ? Prediction::kSample : Prediction::kVelocity;
  o.infers_in_bfloat16 = infers_in_bfloat16(options.text("inference_precision"));
  o.one_step_share = options.number("one_step_share");
  o.output =
      options.text("output") == "sum" ? attnres::Output::kSum : attnres::Output::kDepthAttention;
  o.residual = options.text("residual") == "plain" ? attnres::Residual::kPlain
                                                   : attnres::Residual::kAttention;
  o.latent = options.text("latent") == "dct" ? Latent::kDct : Latent::kIdentity;
  o.sublayers_per_source = sublayers_per_source(options);
  if (options.has("checkpoint")) o.checkpoint = options.text("checkpoint");
  if (options.has("state_dict")) o.state_dict = options.text("state_dict");
  return std::make_shared<ImfHead>(o, spec);
}

}  // namespace roboimi::imf_head
