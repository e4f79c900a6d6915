// Names, counts and loading of the world model's weights, from roboimi and from other projects.
#include <gmock/gmock.h>

#include "plugins/lewm_vit_backbone/lewm_vit_backbone.h"
#include "plugins/lewm_vit_backbone/load_lewm.h"
#include "plugins/lewm_world_model/load_checkpoint.h"
#include "roboimi/common/error.h"
#include "roboimi/io/transformers_names.h"
#include "tests/plugins/lewm_world_model/world_model_cases.h"
#include "tests/reference/run_reference.h"

namespace roboimi::lewm_world_model {
namespace {

using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::UnorderedElementsAre;

std::shared_ptr<LewmWorldModel> fresh_model() {
  return std::make_shared<LewmWorldModel>(golden_options(), spec_of(kGoldenImage, 3));
}

std::vector<std::string> names_of(const TensorMap& tensors) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors) names.push_back(name);
  return names;
}

void expect_equal(const TensorMap& found, const TensorMap& expected) {
  ASSERT_EQ(names_of(found), names_of(expected));
  for (const auto& [name, tensor] : found) {
    EXPECT_TRUE(at::equal(tensor, expected.at(name))) << name;
  }
}

// The released PushT model: 224x224 pixels, 2-d actions.
TEST(LewmWorldModel, HasAsManyParametersAsTheOriginal) {
  const LewmWorldModel model({}, spec_of(96, 2));
  std::map<std::string, std::int64_t> counts;
  std::int64_t total = 0;
  for (const auto& parameter : model.named_parameters()) {
    EXPECT_TRUE(parameter.value().requires_grad()) << parameter.key();
    EXPECT_TRUE(model.decays(parameter.key(), parameter.value())) << parameter.key();
    counts[parameter.key().substr(0, parameter.key().find('.'))] += parameter.value().numel();
    total += parameter.value().numel();
  }
  EXPECT_EQ(total, 18034478);
  const std::map<std::string, std::int64_t> expected = {{"encoder", 5501376},
                                                        {"projector", 792768},
                                                        {"predictor", 10791360},
                                                        {"action_encoder", 156206},
                                                        {"pred_proj", 792768}};
  EXPECT_EQ(counts, expected);
}

TEST(LewmWorldModel, NamesItsTensorsLikeTheReference) {
  std::vector<std::string> expected;
  for (const auto& [name, tensor] : golden_file().tensors) {
    if (name.starts_with("param.")) expected.push_back(name.substr(6));
  }
  EXPECT_EQ(names_of(network_of(*fresh_model())), expected);
  // Apart from the networks there are only the statistics of the actions.
  std::vector<std::string> others;
  for (const auto& [name, tensor] : tensors_of(*fresh_model())) {
    if (!golden_file().tensors.contains("param." + name)) others.push_back(name);
  }
  EXPECT_THAT(others, UnorderedElementsAre("action_normalizer.shift", "action_normalizer.scale",
                                           "action_normalizer.is_fitted"));
  const std::string block = "predictor.transformer.layers.1.";
  EXPECT_THAT(expected,
              IsSupersetOf({std::string("predictor.pos_embedding"), block + "attn.norm.weight",
                            block + "attn.to_qkv.weight", block + "attn.to_out.0.bias",
                            block + "adaLN_modulation.1.weight", block + "mlp.net.0.weight",
                            block + "mlp.net.1.weight", block + "mlp.net.4.weight",
                            std::string("predictor.transformer.norm.bias"),
                            std::string("action_encoder.patch_embed.weight"),
                            std::string("action_encoder.embed.0.weight"),
                            std::string("action_encoder.embed.2.bias"),
                            std::string("pred_proj.net.1.running_mean")}));
}

TEST(LewmWorldModel, ExchangesWeightsWithPyTorchInBothDirections) {
  const ReferenceFolder folder("lewm_exchange");
  const auto ours = folder.path() / "ours.safetensors";
  const auto theirs = folder.path() / "theirs.safetensors";
  const auto model = golden_model();
  write_safetensors(ours, network_of(*model));
  run_reference("../golden/lewm_world_model.py", ours.string() + " " + theirs.string());
  const auto loaded = fresh_model();
  loaded->to(at::kDouble);
  load_checkpoint(*loaded, theirs);
  expect_equal(network_of(*loaded), network_of(*model));
}

TEST(LoadCheckpoint, ReadsPrefixesAndTransformers4Names) {
  const ReferenceFolder folder("lewm_released");
  const auto model = golden_model(at::kFloat);
  TensorMap released = {{"optimizer.step", at::zeros({1})}};
  for (const auto& [name, tensor] : network_of(*model)) {
    const bool is_encoder = name.starts_with("encoder.");
    released["model." + (is_encoder ? "encoder." + to_transformers4_name(name.substr(8)) : name)] =
        tensor;
  }
  ASSERT_TRUE(released.contains("model.encoder.encoder.layer.0.attention.attention.query.weight"));
  write_safetensors(folder.path() / "released.safetensors", released);
  const auto loaded = fresh_model();
  load_checkpoint(*loaded, folder.path() / "released.safetensors");
  expect_equal(network_of(*loaded), network_of(*model));
  EXPECT_FALSE(loaded->has_statistics());
}

TEST(LoadCheckpoint, NamesMissingTensorsAndWritesNothing) {
  const ReferenceFolder folder("lewm_partial");
  TensorMap partial = network_of(*golden_model(at::kFloat));
  partial.erase("predictor.pos_embedding");
  write_safetensors(folder.path() / "partial.safetensors", partial);
  const auto model = fresh_model();
  TensorMap before;
  for (const auto& [name, tensor] : network_of(*model)) before[name] = tensor.detach().clone();
  try {
    load_checkpoint(*model, folder.path() / "partial.safetensors");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("predictor.pos_embedding"));
    EXPECT_THAT(error.what(), HasSubstr("partial.safetensors"));
  }
  expect_equal(network_of(*model), before);
}

TEST(LewmWorldModel, StartsFromItsCheckpointOption) {
  const ReferenceFolder folder("lewm_start");
  const auto model = golden_model(at::kFloat);
  write_safetensors(folder.path() / "model.safetensors", tensors_of(*model));
  WorldModelOptions options = golden_options();
  options.checkpoint = folder.path() / "model.safetensors";
  expect_equal(network_of(LewmWorldModel(options, spec_of(kGoldenImage, 3))), network_of(*model));
}

TEST(LewmWorldModel, TrainsAnEncoderThatTheFrozenBackboneLoads) {
  const auto model = golden_model(at::kFloat);
  const auto weights =
      lewm_vit_backbone::select_lewm({.tensors = tensors_of(*model)}, "the world model");
  const auto architecture = lewm_vit_backbone::infer_architecture(weights, 3);
  EXPECT_EQ(architecture.vit.image_size, kGoldenImage);
  vit::VitEncoder encoder(architecture.vit);
  vit::MlpProjector projector(kGoldenWidth, architecture.projector_hidden, architecture.output_dim);
  lewm_vit_backbone::load_lewm(weights, *encoder, *projector);
  encoder->eval();
  projector->eval();
  const at::Tensor pixels =
      golden("data.pixels").to(at::kFloat).view({-1, 3, kGoldenImage, kGoldenImage});
  EXPECT_LT(distance(projector->forward(encoder->forward(pixels)), golden("representation")), 1e-5);
}

// Loads a backbone from the model's checkpoint; returns its feature size, or the error.
std::string backbone_of(const LewmWorldModel& model, const view_fusion::FusionOptions& fusion) {
  CheckpointFile file;
  file.layout = "safetensors";
  file.tensors = tensors_of(model);
  file.metadata = model.metadata();
  lewm_vit_backbone::LewmVitOptions options;
  options.fusion = fusion;
  options.num_heads = 3;
  try {
    const lewm_vit_backbone::LEWMViTBackbone backbone(options, spec_of(kGoldenImage, 3), &file,
                                                      "model.safetensors");
    return std::to_string(*backbone.joint_output_dim());
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(LewmWorldModel, RecordsThePreprocessingForTheBackbone) {
  const auto model = golden_model(at::kFloat);
  view_fusion::FusionOptions fusion{.height = kGoldenImage, .width = kGoldenImage};
  EXPECT_EQ(backbone_of(*model, fusion), "12");
  fusion.layout = view_fusion::FusionLayout::kVertical;
  EXPECT_THAT(backbone_of(*model, fusion), HasSubstr("'horizontal' (the checkpoint's metadata)"));
}

TEST(LewmWorldModel, RejectsAnImageSmallerThanAPatch) {
  WorldModelOptions options = golden_options();
  options.fusion.height = 3;
  try {
    const LewmWorldModel model(options, spec_of(kGoldenImage, 3));
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("smaller than one patch"));
    EXPECT_THAT(error.what(), HasSubstr("3x8"));
  }
}

}  // namespace
}  // namespace roboimi::lewm_world_model
