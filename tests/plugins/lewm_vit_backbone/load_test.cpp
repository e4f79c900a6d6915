#include <gmock/gmock.h>

#include "modules/view_fusion/fusion_settings.h"
#include "roboimi/common/error.h"
#include "roboimi/contract/weights_follow.h"
#include "roboimi/io/transformers_names.h"
#include "tests/plugins/lewm_vit_backbone/lewm_cases.h"

namespace roboimi::lewm_vit_backbone {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::filesystem::path kCheckpointFolder =
    std::filesystem::path(ROBOIMI_SOURCE_DIR) / "tests/golden/lewm_vit";

CheckpointFile golden() { return weights_of(kCheckpointFolder / "lewm4.safetensors"); }

ObservationSpec spec() {
  ObservationSpec spec;
  for (const char* camera : {"r_vis", "top", "front"}) spec.set(rgb_stream(camera, {20, 24}));
  return spec;
}

LewmVitOptions options() { return {.fusion = {.height = 32, .width = 32}, .num_heads = 2}; }

at::Tensor encode(const CheckpointFile& file) {
  LEWMViTBackbone backbone(options(), spec(), &file, "weights.ckpt");
  at::Generator generator = make_generator(1);
  return backbone.encode(
      case_of(read_safetensors(kCheckpointFolder / "cases.safetensors"), "fused").images,
      generator);
}

std::string error_of(const CheckpointFile& file, const LewmVitOptions& chosen = options()) {
  try {
    LEWMViTBackbone backbone(chosen, spec(), &file, "weights.ckpt");
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

CheckpointFile renamed(const std::function<std::string(const std::string&)>& rename) {
  CheckpointFile file;
  for (const auto& [name, tensor] : golden().tensors) file.tensors[rename(name)] = tensor;
  return file;
}

TEST(TransformersNames, AreInverse) {
  for (const auto& [name, tensor] : golden().tensors) {
    const std::string inner = name.substr(std::string("model.encoder.").size());
    EXPECT_EQ(to_transformers4_name(to_transformers5_name(inner)), inner);
  }
  EXPECT_EQ(to_transformers5_name("encoder.layer.11.attention.output.dense.bias"),
            "layers.11.attention.o_proj.bias");
  EXPECT_EQ(to_transformers5_name("encoder.layer.0.output.dense.weight"),
            "layers.0.mlp.fc2.weight");
  EXPECT_EQ(to_transformers5_name("embeddings.cls_token"), "embeddings.cls_token");
}

TEST(LewmLoad, SupportsEveryPrefixAndIgnoresOtherParts) {
  const at::Tensor expected = encode(golden());
  const std::vector<std::string> prefixes = {"", "module.", "_orig_mod.", "module.model.",
                                             "model._orig_mod."};
  for (const std::string& prefix : prefixes) {
    CheckpointFile file = renamed([&](const std::string& name) { return prefix + name.substr(6); });
    file.tensors[prefix + "predictor.pos_embedding"] = at::ones({1, 3, 32});
    EXPECT_TRUE(encode(file).equal(expected)) << prefix;
    EXPECT_EQ(select_lewm(file, "x").left_out.size(), 1u);
  }
  const CheckpointFile modern = renamed([](const std::string& name) {
    const std::string start = "model.encoder.";
    if (!name.starts_with(start)) return name;
    return start + "_orig_mod." + to_transformers5_name(name.substr(start.size()));
  });
  EXPECT_TRUE(encode(modern).equal(expected));
}

TEST(LewmLoad, ListsMissingAndUnexpectedNamesAndWrongShapes) {
  CheckpointFile file = golden();
  file.tensors.erase("model.encoder.layernorm.bias");
  file.tensors["model.encoder.pooler.dense.weight"] = at::ones({32, 32});
  file.tensors["model.projector.net.1.running_var"] = at::ones({63});
  const std::string text = error_of(file);
  EXPECT_THAT(text, HasSubstr("weights.ckpt"));
  EXPECT_THAT(text, HasSubstr("1 missing (encoder.layernorm.bias)"));
  EXPECT_THAT(text, HasSubstr("1 unexpected (model.encoder.pooler.dense.weight)"));
  EXPECT_THAT(text,
              HasSubstr("1 with the wrong shape or dtype (model.projector.net.1.running_var: Float "
                        "[63], but Float [64] in the model)"));
  EXPECT_THAT(text, HasSubstr("converting transformers 4.x names to 5.x (32 renamed)"));
}

TEST(LewmLoad, RejectsAFileWithoutLewmAndDuplicateNames) {
  EXPECT_THAT(error_of({.tensors = {{"fc.weight", at::ones({2, 2})}}}),
              HasSubstr("the file holds no weights of a LEWM encoder"));
  CheckpointFile file = golden();
  file.tensors["module.model.encoder.layernorm.bias"] = at::ones({32});
  EXPECT_THAT(error_of(file), HasSubstr("two tensors have the name 'encoder.layernorm.bias'"));
}

TEST(LewmLoad, ChecksTheConfiguredArchitectureAgainstTheShapes) {
  LewmVitOptions chosen = options();
  chosen.num_layers = 12;
  EXPECT_THAT(error_of(golden(), chosen), HasSubstr("num_layers does not fit the checkpoint"));
  EXPECT_THAT(error_of(golden(), chosen), HasSubstr("expected 2"));
  chosen = options();
  chosen.num_heads = 5;
  EXPECT_THAT(error_of(golden(), chosen), HasSubstr("num_heads does not divide hidden_size"));
  chosen = options();
  chosen.hidden_size = 32;
  chosen.num_layers = 2;
  chosen.intermediate_size = 64;
  chosen.patch_size = 8;
  chosen.image_size = 32;
  chosen.projector_hidden = 64;
  EXPECT_EQ(error_of(golden(), chosen), "no error");
}

TEST(LewmLoad, RejectsMetadataOfAnotherFusionWithBothValues) {
  CheckpointFile file = golden();
  file.metadata = {{"roboimi.fusion.layout", "vertical"}};
  EXPECT_THAT(error_of(file), HasSubstr("'vertical' (the checkpoint's metadata)"));
  EXPECT_THAT(error_of(file), HasSubstr("'horizontal' (the configuration)"));
  file.metadata = {{"roboimi.fusion.camera_names", "r_vis,top,front"}};
  EXPECT_THAT(error_of(file), HasSubstr("'front,top,r_vis' (the configuration)"));
  EXPECT_THAT(error_of(file), HasSubstr("a different camera_names: "));
  EXPECT_THAT(error_of(file), HasSubstr("agent/backbone=resnet18_224 accepts any cameras"));
  file.metadata = {{"roboimi.fusion.height", "224"}};
  EXPECT_THAT(error_of(file), HasSubstr("'32' (the configuration)"));
  file.metadata = {{"roboimi.preprocessing", "none"}};
  EXPECT_THAT(error_of(file), HasSubstr("trained with a different preprocessing"));
  file.metadata = {{"roboimi.fusion.layout", "horizontal"},
                   {"roboimi.fusion.camera_names", "[\"front\", \"top\", \"r_vis\"]"},
                   {"roboimi.fusion.width", "32"},
                   {"roboimi.preprocessing", view_fusion::kPreprocessing}};
  EXPECT_EQ(error_of(file), "no error");
}

TEST(LewmLoad, RejectsImpossibleSizes) {
  const auto with = [](const std::string& name, const at::Tensor& tensor) {
    CheckpointFile file = golden();
    file.tensors[name] = tensor;
    return error_of(file);
  };
  const std::string patches = "model.encoder.embeddings.patch_embeddings.projection.weight";
  const std::string positions = "model.encoder.embeddings.position_embeddings";
  EXPECT_THAT(with(patches, at::ones({32, 3, 0, 0})), HasSubstr("'" + patches + "' is empty"));
  EXPECT_THAT(with(patches, at::ones({0, 3, 8, 8})), HasSubstr("'" + patches + "' is empty"));
  for (const std::int64_t count : {1, 18, 201}) {
    EXPECT_THAT(with(positions, at::ones({1, count, 32})),
                HasSubstr(fmt::format("does not belong to a square image: expected 1 + g * g "
                                      "positions; found {}",
                                      count)));
  }
  // A few bytes that imply terabytes of other weights.
  EXPECT_THAT(with(patches, at::ones({1, 1, 1, 1}).expand({1'000'000, 3, 1, 1})),
              HasSubstr("the shapes of the weights contradict each other"));
}

TEST(LewmLoad, RejectsWeightsThatAreNotFinite) {
  CheckpointFile file = golden();
  at::Tensor bias = file.tensors["model.encoder.layernorm.bias"].clone();
  bias.slice(0, 0, 3).fill_(std::numeric_limits<float>::quiet_NaN());
  bias[5] = std::numeric_limits<float>::infinity();
  file.tensors["model.encoder.layernorm.bias"] = bias;
  EXPECT_THAT(error_of(file), HasSubstr("weights are NaN or infinite"));
  EXPECT_THAT(error_of(file), HasSubstr("model.encoder.layernorm.bias: 4 of 32"));
}

TEST(LewmLoad, PrefersTheModelToItsAverage) {
  CheckpointFile file = golden();
  for (const auto& [name, tensor] : golden().tensors) file.tensors["ema_" + name] = tensor + 1;
  EXPECT_TRUE(encode(file).equal(encode(golden())));
  for (const auto& [name, tensor] : golden().tensors) {
    file.tensors.erase(name);
    file.tensors["net." + name] = tensor;
  }
  EXPECT_THAT(error_of(file), HasSubstr("holds a LEWM encoder more than once"));
  EXPECT_THAT(error_of(file), HasSubstr("found ema_model, net.model"));
}

// If the encoder's file is gone, the sizes are inferred from the tensors of the run's agent.
TEST(LewmLoad, InfersItsSizesFromTheRunsOwnTensors) {
  std::map<std::string, at::Tensor> agent = {{"head.weight", at::ones({2, 2})}};
  {
    const CheckpointFile file = golden();
    LEWMViTBackbone trained(options(), spec(), &file, "weights.ckpt");
    for (const auto& item : trained.named_parameters())
      agent["backbone." + item.key()] = item.value();
    for (const auto& item : trained.named_buffers()) agent["backbone." + item.key()] = item.value();
  }
  LewmVitOptions gone = options();
  gone.checkpoint = "/nowhere/lewm.ckpt";
  const WeightsFollow weights_follow(agent);
  const LEWMViTBackbone backbone(gone, spec());
  EXPECT_EQ(backbone.architecture().vit.image_size, 32);
  EXPECT_EQ(backbone.architecture().vit.num_layers, 2);
  EXPECT_EQ(backbone.architecture().projector_hidden, 64);
  gone.num_layers = 12;
  try {
    const LEWMViTBackbone other(gone, spec());
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("num_layers does not fit the checkpoint"));
  }
}

TEST(LewmOptions, RequireACheckpointOrRandomWeights) {
  LewmVitOptions none = options();
  try {
    LEWMViTBackbone backbone(none, spec());
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("no checkpoint for the frozen encoder"));
    EXPECT_THAT(error.what(), HasSubstr("random_init: true"));
  }
  none.random_init = true;
  EXPECT_NO_THROW(LEWMViTBackbone(none, spec()));
  // In a configuration with a default checkpoint, random_init alone is enough to ignore it.
  none.checkpoint = "no_such_lewm.ckpt";
  EXPECT_NO_THROW(LEWMViTBackbone(none, spec()));
}

TEST(LewmOptions, RejectMissingCamerasAndUnequalSizes) {
  ObservationSpec other = spec();
  other.set(rgb_stream("top", {20, 30}));
  LewmVitOptions random = options();
  random.random_init = true;
  try {
    LEWMViTBackbone backbone(random, other);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("front 20x24, top 20x30, r_vis 20x24"));
  }
  other = spec();
  std::erase_if(other.streams, [](const StreamSpec& stream) { return stream.name == "front"; });
  try {
    LEWMViTBackbone backbone(random, other);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("camera 'front' is missing"));
    EXPECT_THAT(error.what(), HasSubstr("r_vis, top"));
  }
  // Other cameras do not help a trained encoder.
  LewmVitOptions trained = options();
  trained.checkpoint = "lewm.safetensors";
  try {
    LEWMViTBackbone backbone(trained, other);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("the data lacks views that this encoder was trained with"));
    EXPECT_THAT(error.what(), HasSubstr("agent/backbone=resnet18_224 accepts any cameras"));
    EXPECT_THAT(error.what(), HasSubstr("docs/training.md"));
  }
}

TEST(LewmOptions, DefaultToThreeCamerasSideBySide) {
  const Options parsed = parse_options(parse_yaml("random_init: true", "test"), schema());
  const auto backbone = [&] {
    ObservationSpec full;
    for (const char* camera : {"r_vis", "top", "front"}) full.set(rgb_stream(camera, {256, 256}));
    return create(parsed, full);
  }();
  EXPECT_EQ(backbone->joint_output_dim(), 192);
  EXPECT_THAT(backbone->camera_names(), ::testing::ElementsAre("front", "top", "r_vis"));
  std::int64_t weights = 0;
  for (const at::Tensor& parameter : backbone->parameters()) weights += parameter.numel();
  EXPECT_EQ(weights, 5'501'376 + 792'768);  // the released encoder and projector
}

}  // namespace
}  // namespace roboimi::lewm_vit_backbone
