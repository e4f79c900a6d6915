#include <gmock/gmock.h>

#include "roboimi/common/error.h"
#include "roboimi/common/random.h"
#include "tests/error_text.h"
#include "tests/plugins/diffusion_head/golden.h"

namespace roboimi::diffusion_head {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;

const HeadSpec kPolicySpec{
    .action_dim = 16, .pred_horizon = 16, .obs_horizon = 2, .per_step_cond_dim = 208};

std::shared_ptr<Head> diffusion_from(const std::string& yaml, const HeadSpec& spec = kGoldenSpec) {
  return create_diffusion(
      parse_options(parse_yaml(yaml, "head.yaml"), diffusion_schema(), "agent.head"), spec);
}

std::shared_ptr<Head> flow_from(const std::string& yaml, const HeadSpec& spec = kGoldenSpec) {
  return create_flow_matching(
      parse_options(parse_yaml(yaml, "head.yaml"), flow_matching_schema(), "agent.head"), spec);
}

TEST(DiffusionOptions, DefaultsGiveTheNetworkOfTheImagePolicy) {
  // Parameters: 8 layers of 1,053,440, the MLP's 525,568, and embeddings, positions, norm and
  // output.
  auto head = diffusion_from("{}", kPolicySpec);
  std::int64_t count = 0;
  for (const at::Tensor& parameter : head->parameters()) count += parameter.numel();
  const std::int64_t layers =
      8 * (2 * (4 * 256 * 256 + 4 * 256) + 8 * 256 * 256 + 5 * 256 + 6 * 256);
  const std::int64_t mlp = 8 * 256 * 256 + 5 * 256;
  EXPECT_EQ(count, layers + mlp + 17 * 256 + 209 * 256 + 19 * 256 + 2 * 256 + 257 * 16);
}

TEST(DiffusionOptions, ParametersHaveThePublicPolicysNames) {
  auto head = diffusion_from("{n_emb: 16, n_layer: 1, n_head: 2}");
  std::vector<std::string> names;
  for (const auto& parameter : head->named_parameters()) names.push_back(parameter.key());
  EXPECT_THAT(names, IsSupersetOf({"model.pos_emb", "model.cond_pos_emb", "model.encoder.0.weight",
                                   "model.encoder.2.bias", "model.ln_f.weight", "model.head.bias",
                                   "model.decoder.layers.0.self_attn.in_proj_weight",
                                   "model.decoder.layers.0.multihead_attn.out_proj.bias",
                                   "model.decoder.layers.0.linear2.weight",
                                   "model.decoder.layers.0.norm3.weight"}));
  // All parameters have the names that torch's modules give them.
  std::vector<std::string> two_layers;
  for (const auto& parameter : golden_diffusion()->named_parameters()) {
    two_layers.push_back(parameter.key());
  }
  for (const auto& [name, tensor] : golden_file().tensors) {
    if (!name.starts_with("param.")) continue;
    EXPECT_THAT(two_layers, Contains("model." + name.substr(6)));
  }
}

TEST(DiffusionOptions, MatricesDecayButNotBiasesNormsAndPositions) {
  auto head = flow_from("{n_emb: 16, n_layer: 1, n_head: 2}");
  for (const auto& parameter : head->named_parameters()) {
    const std::string& name = parameter.key();
    const bool kept = name.ends_with("bias") || name.find("norm") != std::string::npos ||
                      name.find("ln_f") != std::string::npos || name.ends_with("pos_emb");
    EXPECT_EQ(head->decays(name, parameter.value()), !kept) << name;
  }
}

TEST(DiffusionOptions, ReportTheConditionSumWhenCondDimIsWrong) {
  for (const auto& create : {diffusion_from, flow_from}) {
    EXPECT_THAT(error_text([&] { create("{cond_dim: 192}", kPolicySpec); }),
                AllOf(HasSubstr("head.yaml:1:2"), HasSubstr("agent.head.cond_dim"),
                      HasSubstr("= 208 values per step"), HasSubstr("192")));
    EXPECT_NO_THROW(create("{cond_dim: 208, n_emb: 16, n_layer: 1}", kPolicySpec));
  }
}

TEST(DiffusionOptions, ReportTheExpectedValues) {
  EXPECT_THAT(error_text([] { diffusion_from("{n_emb: 18, n_head: 4}"); }),
              AllOf(HasSubstr("n_emb divisible by n_head"), HasSubstr("n_emb 18, n_head 4")));
  EXPECT_THAT(error_text([] { diffusion_from("{n_emb: 15, n_head: 5}"); }),
              HasSubstr("an even n_emb of at least 4"));
  EXPECT_THAT(error_text([] { diffusion_from("{num_inference_steps: 101}"); }),
              AllOf(HasSubstr("num_inference_steps"),
                    HasSubstr("at most num_train_timesteps = 100"), HasSubstr("101")));
  EXPECT_THAT(error_text([] { diffusion_from("{sampler: heun}"); }),
              AllOf(HasSubstr("ddpm"), HasSubstr("ddim"), HasSubstr("heun")));
  EXPECT_THAT(error_text([] { flow_from("{time_distribution: normal}"); }),
              AllOf(HasSubstr("logit_normal"), HasSubstr("uniform")));
  EXPECT_THAT(error_text([] { flow_from("{clip_sample: true}"); }), HasSubstr("clip_sample"));
}

TEST(DiffusionOptions, ArgumentsWithWrongShapesAreNamed) {
  auto head = flow_from("{n_emb: 16, n_layer: 1}");
  at::Generator generator = make_generator(0);
  EXPECT_THAT(error_text([&] {
                head->sample(at::zeros({1, 2, 6}), generator);
              }),
              AllOf(HasSubstr("'cond'"), HasSubstr("[1, 2, 6]")));
  EXPECT_THAT(error_text([&] {
                head->loss(at::zeros({1, 3, 3}), at::zeros({1, 2, 5}), at::zeros({1, 4}, at::kBool),
                           generator);
              }),
              AllOf(HasSubstr("'actions'"), HasSubstr("[1, 3, 3]")));
}

TEST(DiffusionOptions, SelectTheSamplerFromYaml) {
  const std::string network = "n_emb: 16, n_layer: 2, p_drop_attn: 0.0";
  const std::map<std::string, std::shared_ptr<Head>> heads = {
      {"sample.ddim", diffusion_from("{" + network + ", num_inference_steps: 5, sampler: ddim}")},
      {"sample.flow", flow_from("{" + network + ", num_inference_steps: 3}")}};
  for (const auto& [name, head] : heads) {
    auto& denoising = dynamic_cast<DenoisingHead&>(*head);
    denoising.to(at::kDouble);
    set_golden_parameters(*denoising.network());
    at::Generator generator = make_generator(0);
    const at::Tensor sampled =
        denoising.denoise(golden("data.noise"), golden("data.cond"), generator);
    EXPECT_LT(distance(sampled, golden(name)), 1e-10) << name;
  }
}

TEST(DiffusionOptions, OnlyAClippingHeadRequiresActionsInTheUnitRange) {
  EXPECT_TRUE(diffusion_from("{n_emb: 16, n_layer: 1}")->clips_actions());
  EXPECT_FALSE(diffusion_from("{n_emb: 16, n_layer: 1, clip_sample: false}")->clips_actions());
  EXPECT_FALSE(flow_from("{n_emb: 16, n_layer: 1}")->clips_actions());
}

}  // namespace
}  // namespace roboimi::diffusion_head
