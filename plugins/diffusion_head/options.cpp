// The option tables, and their translation.
#include <fmt/format.h>

#include "plugins/diffusion_head/diffusion_head.h"
#include "plugins/diffusion_head/flow_matching_head.h"
#include "roboimi/contract/condition.h"

namespace roboimi::diffusion_head {
namespace {

Schema network_schema() {
  Schema s;
  s.integer("n_emb", 256, "width of a token").range(4, 16384);
  s.integer("n_layer", 8, "decoder layers").range(1, 256);
  s.integer("n_head", 4, "attention heads; divides n_emb").at_least(1);
  s.number("p_drop_emb", 0.0, "dropout of embedded tokens in training").range(0.0, 0.99);
  s.number("p_drop_attn", 0.3, "dropout inside the decoder's layers in training").range(0.0, 0.99);
  s.text("memory_mask", "causal",
         "observations that action t sees: 0 .. t (`causal`: chunk and observations start at one "
         "row), or all (`full`)")
      .one_of({"causal", "full"});
  s.optional_integer("cond_dim", "numbers a condition step has; checked when given").at_least(1);
  return s;
}

TransformerOptions read_network(const Options& options, const HeadSpec& spec) {
  check_cond_dim(options, spec);
  return {.n_emb = options.integer("n_emb"),
          .n_layer = options.integer("n_layer"),
          .n_head = options.integer("n_head"),
          .p_drop_emb = options.number("p_drop_emb"),
          .p_drop_attn = options.number("p_drop_attn"),
          .memory_mask =
              options.text("memory_mask") == "full" ? MemoryMask::kFull : MemoryMask::kCausal};
}

}  // namespace

Schema diffusion_schema() {
  Schema s = network_schema();
  s.integer("num_train_timesteps", 100, "steps of the noise schedule").range(1, 100000);
  s.optional_integer("num_inference_steps",
                     "network evaluations per action chunk; num_train_timesteps when left out")
      .at_least(1);
  s.text("prediction", "epsilon", "what the network predicts: the noise, or the actions")
      .one_of({"epsilon", "sample"});
  s.text("sampler", "ddpm", "reverse process; ddim is deterministic, for few steps")
      .one_of({"ddpm", "ddim"});
  s.boolean("clip_sample", true, "keep predicted actions in [-1, 1] at every step");
  return s;
}

std::shared_ptr<Head> create_diffusion(const Options& options, const HeadSpec& spec) {
  DiffusionOptions o{.network = read_network(options, spec)};
  o.num_train_timesteps = options.integer("num_train_timesteps");
  o.num_inference_steps = options.has("num_inference_steps")
                              ? options.integer("num_inference_steps")
                              : o.num_train_timesteps;
  if (o.num_inference_steps > o.num_train_timesteps) {
    options.fail("num_inference_steps", "more steps than the noise schedule has",
                 fmt::format("at most num_train_timesteps = {}", o.num_train_timesteps));
  }
  o.prediction =
      options.text("prediction") == "sample" ? Prediction::kSample : Prediction::kEpsilon;
  o.sampler = options.text("sampler") == "ddim" ? Sampler::kDdim : Sampler::kDdpm;
  o.clip_sample = options.boolean("clip_sample");
  return std::make_shared<DiffusionHead>(o, spec);
}

Schema flow_matching_schema() {
  Schema s = network_schema();
  s.integer("num_inference_steps", 10, "Euler steps per action chunk").at_least(1);
  s.text("time_distribution", "logit_normal", "training times: sigmoid of N(-0.4, 1), or uniform")
      .one_of({"logit_normal", "uniform"});
  s.number("time_scale", 100.0, "the network is shown time_scale * t, t in [0, 1]")
      .range(1e-3, 1e6);
  return s;
}

std::shared_ptr<Head> create_flow_matching(const Options& options, const HeadSpec& spec) {
  FlowMatchingOptions o{.network = read_network(options, spec)};
  o.num_inference_steps = options.integer("num_inference_steps");
  o.time_distribution = options.text("time_distribution") == "uniform"
                            ? TimeDistribution::kUniform
                            : TimeDistribution::kLogitNormal;
  o.time_scale = options.number("time_scale");
  return std::make_shared<FlowMatchingHead>(o, spec);
}

}  // namespace roboimi::diffusion_head
