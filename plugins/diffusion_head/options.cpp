// Config options of the two heads.
#include <fmt/format.h>

#include <cstdint>
#include <optional>

#include "plugins/diffusion_head/diffusion_head.h"
#include "plugins/diffusion_head/flow_matching_head.h"
#include "roboimi/config/declare.h"
#include "roboimi/contract/condition.h"

namespace roboimi::diffusion_head {
namespace {

// Options that both heads have, at the top level of the head's config.
void declare_network(OptionFields& fields, TransformerOptions& o) {
  fields.integer("n_emb", o.n_emb, "token width").range(4, 16384);
  fields.integer("n_layer", o.n_layer, "number of decoder layers").range(1, 256);
  fields.integer("n_head", o.n_head, "number of attention heads; must divide n_emb").at_least(1);
  fields.number("p_drop_emb", o.p_drop_emb, "dropout of embedded tokens in training")
      .range(0.0, 0.99);
  fields.number("p_drop_attn", o.p_drop_attn, "dropout inside the decoder layers in training")
      .range(0.0, 0.99);
  fields.choice("memory_mask", o.memory_mask,
                {{MemoryMask::kCausal, "causal"}, {MemoryMask::kFull, "full"}},
                "observations that action t attends to: 0 .. t (`causal`, for a chunk and "
                "observations that start at the same row), or all (`full`)");
  declare_cond_dim(fields);
}

}  // namespace

static void declare(OptionFields& fields, DiffusionOptions& o) {
  declare_network(fields, o.network);
  fields.integer("num_train_timesteps", o.num_train_timesteps, "steps of the noise schedule")
      .range(1, 100000);
  std::optional<std::int64_t> num_inference_steps;
  fields
      .integer("num_inference_steps", num_inference_steps,
               "network evaluations per action chunk; default num_train_timesteps")
      .at_least(1);
  o.num_inference_steps = num_inference_steps.value_or(o.num_train_timesteps);
  fields.when_read([&](const Options& options) {
    if (o.num_inference_steps <= o.num_train_timesteps) return;
    options.fail("num_inference_steps", "more steps than the noise schedule has",
                 fmt::format("at most num_train_timesteps = {}", o.num_train_timesteps));
  });
  fields.choice("prediction", o.prediction,
                {{Prediction::kEpsilon, "epsilon"}, {Prediction::kSample, "sample"}},
                "network output: the noise (epsilon), or the actions (sample)");
  fields.choice("sampler", o.sampler, {{Sampler::kDdpm, "ddpm"}, {Sampler::kDdim, "ddim"}},
                "reverse process; ddim is deterministic and suits few steps");
  fields.boolean("clip_sample", o.clip_sample, "clamp predicted actions to [-1, 1] at every step");
}

static void declare(OptionFields& fields, FlowMatchingOptions& o) {
  declare_network(fields, o.network);
  fields.integer("num_inference_steps", o.num_inference_steps, "Euler steps per action chunk")
      .at_least(1);
  fields.choice(
      "time_distribution", o.time_distribution,
      {{TimeDistribution::kLogitNormal, "logit_normal"}, {TimeDistribution::kUniform, "uniform"}},
      "distribution of training times: sigmoid of N(-0.4, 1), or uniform");
  fields
      .number("time_scale", o.time_scale, "the network's time input is time_scale * t, t in [0, 1]")
      .range(1e-3, 1e6);
}

Schema diffusion_schema() { return schema_of<DiffusionOptions>(); }

std::shared_ptr<Head> create_diffusion(const Options& options, const HeadSpec& spec) {
  check_cond_dim(options, spec);
  return std::make_shared<DiffusionHead>(options_from<DiffusionOptions>(options), spec);
}

Schema flow_matching_schema() { return schema_of<FlowMatchingOptions>(); }

std::shared_ptr<Head> create_flow_matching(const Options& options, const HeadSpec& spec) {
  check_cond_dim(options, spec);
  return std::make_shared<FlowMatchingHead>(options_from<FlowMatchingOptions>(options), spec);
}

}  // namespace roboimi::diffusion_head
