// Config options of ImfHead.
#include <torch/cuda.h>

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>

#include "plugins/imf_head/imf_head.h"
#include "roboimi/common/bfloat16.h"
#include "roboimi/config/declare.h"
#include "roboimi/contract/condition.h"

namespace roboimi::imf_head {
namespace {

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
                 "full, or block(n) with n >= 1 sublayers per source");
  }
  return size;
}

// Rejects `attnres` with plain residuals, and bf16 where the sublayers are not fused.
void check_residual(const Options& options) {
  const bool is_plain = options.text("residual") == "plain";
  if (is_plain && options.text("attnres") != "full") {
    options.fail("attnres", "there are no sources with plain residuals",
                 "full, or residual: attnres");
  }
  if (options.text("inference_precision") != "bf16") return;
  if (is_plain || options.text("attnres") != "full") {
    options.fail("inference_precision", "bf16 requires full attention residuals",
                 "fp32 or auto, or residual: attnres with attnres: full");
  }
}

// `auto` means fp32 on a CPU without bf16 instructions, where bf16 would be slower.
bool infers_in_bfloat16(const std::string& precision) {
  if (precision == "auto") return cpu_bfloat16().is_native;
  // With a GPU, the device is known only when a chunk is sampled.
  if (precision == "bf16" && !torch::cuda::is_available()) {
    require_cpu_bfloat16("agent.head.inference_precision");
  }
  return precision == "bf16";
}

void declare_training(OptionFields& fields, ImfOptions& o) {
  fields.choice("prediction", o.prediction,
                {{Prediction::kVelocity, "velocity"}, {Prediction::kSample, "sample"}},
                "network output: the mean velocity u, or the sample z - t u");
  fields.choice("loss", o.loss,
                {{LossKind::kPseudoHuber, "pseudo_huber"},
                 {LossKind::kMse, "mse"},
                 {LossKind::kAdaptiveL2, "adaptive_l2"}},
                "distance between V and e - x");
}

// Initial weights of the head.
void declare_weights(OptionFields& fields, ImfOptions& o) {
  fields.optional_path("checkpoint", o.checkpoint,
                       "file of initial weights, with the public IMF head's names");
  fields.optional_text("state_dict", o.state_dict,
                       "which weights to use if the checkpoint holds several, such as ema_model");
}

}  // namespace

static void declare(OptionFields& fields, ImfOptions& o) {
  fields.integer("n_emb", o.n_emb, "token width").range(4, 16384);
  fields
      .integer("n_layer", o.n_layer, "number of transformer blocks, each with attention and SwiGLU")
      .range(1, 256);
  fields
      .integer("n_head", o.n_head,
               "number of attention heads; n_emb must be a multiple of 2 n_head")
      .at_least(1);
  std::optional<std::int64_t> n_kv_head;
  fields
      .integer("n_kv_head", n_kv_head,
               "number of key and value heads; must divide n_head; default n_head")
      .at_least(1);
  o.n_kv_head = n_kv_head.value_or(o.n_head);
  fields.number("dropout", o.dropout, "dropout probability in training").range(0.0, 0.99);
  fields
      .integer("num_inference_steps", o.num_inference_steps, "network evaluations per action chunk")
      .at_least(1);
  declare_training(fields, o);
  std::string precision = "fp32";
  fields
      .text("inference_precision", precision,
            "precision of matrix products when sampling on a CPU with full attention residuals "
            "(fp32 elsewhere); auto: bf16 if the CPU has AVX512-BF16")
      .one_of({"fp32", "bf16", "auto"});
  fields
      .number("one_step_share", o.one_step_share,
              "fraction of the training samples with r < t that use r = 0, t = 1, the interval of "
              "one-step sampling")
      .range(0.0, 1.0);
  fields.choice(
      "output", o.output,
      {{attnres::Output::kSum, "sum"}, {attnres::Output::kDepthAttention, "final_depth_attention"}},
      "how the outputs of all sublayers are combined at the end");
  std::string sources = "full";
  fields.text(
      "attnres", sources,
      "sources of depth attention: every sublayer (full), or sums of n sublayers (block(n))");
  fields.choice("residual", o.residual,
                {{attnres::Residual::kAttention, "attnres"}, {attnres::Residual::kPlain, "plain"}},
                "residual connections: depth attention, or a plain residual stream");
  fields.choice("latent", o.latent, {{Latent::kIdentity, "identity"}, {Latent::kDct, "dct"}},
                "space that is modeled: the actions, or their DCT along the horizon");
  declare_cond_dim(fields);
  declare_weights(fields, o);
  fields.when_read([&](const Options& options) {
    check_residual(options);
    o.infers_in_bfloat16 = infers_in_bfloat16(precision);
    o.sublayers_per_source = sublayers_per_source(options);
  });
}

Schema schema() { return schema_of<ImfOptions>(); }

std::shared_ptr<Head> create(const Options& options, const HeadSpec& spec) {
  check_cond_dim(options, spec);
  return std::make_shared<ImfHead>(options_from<ImfOptions>(options), spec);
}

}  // namespace roboimi::imf_head
