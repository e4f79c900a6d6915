#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>

#include "plugins/imf_head/load_weights.h"
#include "roboimi/common/error.h"
#include "roboimi/common/random.h"
#include "roboimi/contract/weights_follow.h"
#include "tests/bfloat16.h"
#include "tests/error_text.h"
#include "tests/plugins/imf_head/golden.h"

namespace roboimi::imf_head {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const HeadSpec kPolicySpec{
    .action_dim = 16, .pred_horizon = 16, .obs_horizon = 2, .per_step_cond_dim = 208};

std::shared_ptr<Head> create_from(const std::string& yaml, const HeadSpec& spec = kGoldenSpec) {
  return create(parse_options(parse_yaml(yaml, "head.yaml"), schema(), "agent.head"), spec);
}

std::filesystem::path temporary_file(const std::string& name) {
  return std::filesystem::temp_directory_path() / (name + std::to_string(::getpid()));
}

TEST(ImfOptions, DefaultsHaveThePublicHeadsNumberOfParameters) {
  auto head = create_from("{}", kPolicySpec);
  std::int64_t count = 0;
  for (const at::Tensor& parameter : head->parameters()) count += parameter.numel();
  EXPECT_EQ(count, 21'493'264);
}

TEST(ImfOptions, ParametersHaveThePublicHeadsNames) {
  auto head = create_from("{n_emb: 16, n_layer: 1, n_head: 2}");
  std::vector<std::string> names;
  for (const auto& parameter : head->named_parameters()) names.push_back(parameter.key());
  const std::string zero = "attnres_backbone.layers.0.", one = "attnres_backbone.layers.1.";
  EXPECT_THAT(names,
              ::testing::UnorderedElementsAre(
                  "input_emb.weight", "input_emb.bias", "cond_obs_emb.weight", "cond_obs_emb.bias",
                  "time_token_proj.weight", "time_token_proj.bias", zero + "norm.weight",
                  zero + "attn_res.pseudo_query", zero + "fn.w_q.weight", zero + "fn.w_k.weight",
                  zero + "fn.w_v.weight", zero + "fn.w_o.weight", one + "norm.weight",
                  one + "attn_res.pseudo_query", one + "fn.w_gate.weight", one + "fn.w_up.weight",
                  one + "fn.w_down.weight", "ln_f.weight", "head.weight", "head.bias"));
}

TEST(ImfOptions, OnlyMatricesDecay) {
  auto head = create_from("{n_emb: 16, n_layer: 1, n_head: 2}");
  for (const auto& parameter : head->named_parameters()) {
    const bool matrix = parameter.key().ends_with(".weight") &&
                        parameter.key().find("norm") == std::string::npos &&
                        parameter.key() != "ln_f.weight";
    EXPECT_EQ(head->decays(parameter.key(), parameter.value()), matrix) << parameter.key();
  }
}

TEST(ImfOptions, ReportTheConditionSumWhenCondDimIsWrong) {
  EXPECT_THAT(
      error_text([] { create_from("{cond_dim: 192}", kPolicySpec); }),
      AllOf(HasSubstr("head.yaml"), HasSubstr("cond_dim"), HasSubstr("208"), HasSubstr("192")));
  EXPECT_NO_THROW(create_from("{cond_dim: 208, n_emb: 16, n_layer: 1}", kPolicySpec));
}

TEST(ImfOptions, RejectSizesThatExceedTheMemory) {
  EXPECT_THAT(
      error_text([] { create_from("{n_emb: 16384, n_layer: 256, n_head: 8}"); }),
      AllOf(HasSubstr("imf_head: not enough memory for the weights of the head: expected 3298"),
            HasSubstr("lower n_emb or n_layer")));
}

TEST(ImfOptions, ReportTheExpectedAttnresAndSizes) {
  EXPECT_THAT(error_text([] { create_from("{attnres: block(0)}"); }),
              AllOf(HasSubstr("block(n)"), HasSubstr("block(0)")));
  EXPECT_THAT(error_text([] { create_from("{attnres: sparse}"); }), HasSubstr("block(n)"));
  EXPECT_THAT(error_text([] { create_from("{n_emb: 20, n_head: 4}"); }), HasSubstr("2 * n_head"));
  EXPECT_THAT(error_text([] { create_from("{n_head: 8, n_kv_head: 3}"); }),
              HasSubstr("n_kv_head 3"));
  EXPECT_THAT(error_text([] { create_from("{residual: plain, output: final_depth_attention}"); }),
              HasSubstr("output: sum"));
  EXPECT_THAT(error_text([] { create_from("{residual: plain, attnres: block(2)}"); }),
              HasSubstr("attnres"));
  for (const char* without : {"residual: plain", "attnres: block(2)"}) {
    const std::string options = std::string("{inference_precision: bf16, ") + without + "}";
    EXPECT_THAT(error_text([&] { create_from(options); }), HasSubstr("inference_precision"));
  }
}

TEST(ImfOptions, SelectTheNetworkFromYaml) {
  auto head = std::dynamic_pointer_cast<ImfHead>(
      create_from("{n_emb: 16, n_layer: 2, n_head: 4, n_kv_head: 2, attnres: block(3), "
                  "output: final_depth_attention}"));
  head->to(at::kDouble);
  at::NoGradGuard no_grad;
  for (auto& parameter : head->named_parameters()) {
    parameter.value().copy_(golden("param." + parameter.key()));
  }
  const Draw draw = golden_draw();
  EXPECT_LT(distance(head->velocity(draw.noise, draw.r, draw.t, golden("data.cond")),
                     golden("u.block3_final")),
            1e-11);
}

at::Tensor sampled_in(const std::string& precision) {
  const SeededConstruction seeded(3);
  auto head =
      create_from("{n_emb: 16, n_layer: 2, n_head: 2, inference_precision: " + precision + "}");
  at::Generator generator = make_generator(5);
  return head->sample(golden("data.cond").to(at::kFloat), generator);
}

TEST(ImfOptions, SelectInferenceInBfloat16) {
  ROBOIMI_SKIP_WITHOUT_BFLOAT16();
  const double error = distance(sampled_in("bf16"), sampled_in("fp32"));
  EXPECT_GT(error, 1e-6);
  EXPECT_LT(error, 5e-2);
}

TEST(ImfOptions, AutoSelectsBfloat16OnlyIfTheCpuSupportsIt) {
  EXPECT_TRUE(
      at::equal(sampled_in("auto"), sampled_in(cpu_bfloat16().is_native ? "bf16" : "fp32")));
}

// A state_dict as saved by the public policy: with a prefix, and with keys that do not belong to
// the head.
std::map<std::string, at::Tensor> public_state_dict() {
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [name, tensor] : golden_file().tensors) {
    if (!name.starts_with("param.") || name.find("final_attn_res") != std::string::npos) continue;
    tensors["model.head." + name.substr(6)] = tensor.to(at::kFloat);
  }
  tensors["model.head._dummy_variable"] = at::empty({0});
  tensors["model.head.layerwise_prefix.weight"] = at::ones({2, 2});
  tensors["model.rgb_encoder.weight"] = at::ones({3});
  return tensors;
}

TEST(LoadWeights, LoadsAPublicStateDictAndReportsIgnoredNames) {
  const auto file = temporary_file("public_head.safetensors");
  write_safetensors(file, public_state_dict());
  ImfHead head(golden_options(), kGoldenSpec);
  EXPECT_THAT(load_weights(head, file), ElementsAre("_dummy_variable", "layerwise_prefix.weight"));
  at::NoGradGuard no_grad;
  const Draw draw = golden_draw(at::kFloat);
  const at::Tensor u =
      head.velocity(draw.noise, draw.r, draw.t, golden("data.cond").to(at::kFloat));
  EXPECT_LT(distance(u, golden("u.base")), 1e-5);
  std::filesystem::remove(file);
}

TEST(LoadWeights, RejectsAPublicStateDictIfTheSampleIsPredicted) {
  const auto file = temporary_file("public_velocity.safetensors");
  write_safetensors(file, public_state_dict());
  ImfOptions options = golden_options({.checkpoint = file.string()});
  EXPECT_NO_THROW(ImfHead(options, kGoldenSpec));
  options.prediction = Prediction::kSample;
  EXPECT_THAT(error_text([&] { ImfHead(options, kGoldenSpec); }),
              AllOf(HasSubstr("predicts the velocity"), HasSubstr("prediction=velocity")));
  auto own = public_state_dict();
  own.erase("model.head._dummy_variable");
  own.erase("model.head.layerwise_prefix.weight");
  write_safetensors(file, own);
  EXPECT_NO_THROW(ImfHead(options, kGoldenSpec));
  std::filesystem::remove(file);
}

TEST(LoadWeights, NeedsNoFileIfTheRunsCheckpointFollows) {
  const ImfOptions options = golden_options({.checkpoint = "/nowhere/public.safetensors"});
  EXPECT_THAT(error_text([&] { ImfHead(options, kGoldenSpec); }), HasSubstr("/nowhere"));
  const WeightsFollow weights_follow;
  EXPECT_NO_THROW(ImfHead(options, kGoldenSpec));
}

TEST(LoadWeights, NamesTensorsThatDoNotFit) {
  const auto file = temporary_file("other_head.safetensors");
  auto tensors = public_state_dict();
  tensors["model.head.extra.weight"] = at::ones({1});
  write_safetensors(file, tensors);
  ImfHead head(golden_options(), kGoldenSpec);
  EXPECT_THAT(error_text([&] { load_weights(head, file); }), HasSubstr("extra.weight"));

  tensors.erase("model.head.extra.weight");
  tensors["model.head.head.bias"] = at::ones({7});
  write_safetensors(file, tensors);
  EXPECT_THAT(error_text([&] { load_weights(head, file); }),
              AllOf(HasSubstr("head.bias"), HasSubstr("[3]"), HasSubstr("[7]")));

  tensors.erase("model.head.head.bias");
  write_safetensors(file, tensors);
  EXPECT_THAT(error_text([&] { load_weights(head, file); }), HasSubstr("1 missing (head.bias)"));

  write_safetensors(file, {{"encoder.weight", at::ones({1})}});
  EXPECT_THAT(error_text([&] { load_weights(head, file); }), HasSubstr("input_emb.weight"));
  std::filesystem::remove(file);
}

}  // namespace
}  // namespace roboimi::imf_head
