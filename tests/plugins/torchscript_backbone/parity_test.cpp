// Comparison with the same encoders in PyTorch's eager mode.
#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "roboimi/common/error.h"
#include "tests/plugins/torchscript_backbone/cases.h"

namespace roboimi::torchscript_backbone {
namespace {

using ::testing::ElementsAre;

constexpr double kTolerance = 1e-5;

// The features of both cameras, concatenated.
at::Tensor both(const std::string& name) {
  return at::cat({expected().at(name + ".front"), expected().at(name + ".top")}, 2);
}

TEST(TorchScriptParity, HoldsForScriptedTracedAndFrozenModules) {
  for (const char* name : {"scripted.pt", "traced.pt", "constants.pt"}) {
    auto backbone = make(name);
    EXPECT_EQ(backbone->output_dim(), 8) << name;
    EXPECT_EQ(backbone->joint_output_dim(), std::nullopt);
    EXPECT_EQ(backbone->feature_dim(), 16);
    const at::Tensor features = encode(*backbone, frames());
    EXPECT_EQ(features.sizes(), (std::vector<std::int64_t>{2, 3, 16}));
    EXPECT_TRUE(features.allclose(both("conv"), kTolerance, kTolerance)) << name;
  }
}

TEST(TorchScriptParity, HoldsForOneFrameAndForMoreThanOneChunk) {
  auto backbone = make("scripted.pt");
  Observation one, many;
  for (const auto& [camera, image] : frames()) {
    one[camera] = image.slice(0, 1, 2).slice(1, 2, 3);
    many[camera] = image.repeat({15, 1, 1, 1, 1});  // 90 frames
  }
  EXPECT_TRUE(encode(*backbone, one)
                  .allclose(both("conv").slice(0, 1, 2).slice(1, 2, 3), kTolerance, kTolerance));
  EXPECT_TRUE(
      encode(*backbone, many).allclose(both("conv").repeat({15, 1, 1}), kTolerance, kTolerance));
  for (auto& [camera, image] : one) image = image.slice(0, 0, 0);
  EXPECT_EQ(encode(*backbone, one).sizes(), (std::vector<std::int64_t>{0, 1, 16}));
}

TEST(TorchScriptParity, HoldsForAResizedFrame) {
  auto backbone = make("traced.pt", {.resize = ImageSize{24, 20}});
  EXPECT_TRUE(encode(*backbone, frames()).allclose(both("resized"), kTolerance, kTolerance));
}

TEST(TorchScriptParity, HoldsForANamedOutputOfATransformersViT) {
  const OutputChoice states{.entry = "last_hidden_state", .token = Token::kCls};
  auto cls = make("vit.pt", {.resize = ImageSize{32, 32}, .output = states});
  EXPECT_EQ(cls->output_dim(), 32);
  EXPECT_TRUE(encode(*cls, frames()).allclose(both("vit_cls"), kTolerance, kTolerance));
  auto mean = make("vit.pt", {.resize = ImageSize{32, 32},
                              .output = {.entry = "last_hidden_state", .token = Token::kMean}});
  EXPECT_TRUE(encode(*mean, frames()).allclose(both("vit_mean"), kTolerance, kTolerance));
}

TEST(TorchScriptParity, HoldsForAnElementOfATuple) {
  auto second = make("tuple.pt", {.output = {.entry = "1"}});
  EXPECT_TRUE(encode(*second, frames()).allclose(both("tuple"), kTolerance, kTolerance));
  auto first = make("tuple.pt", {.output = {.entry = "0", .token = Token::kCls}});
  EXPECT_TRUE(encode(*first, frames()).allclose(both("tuple"), kTolerance, kTolerance));
}

TEST(TorchScriptParity, HoldsInTheDtypeOfTheExportedModule) {
  auto backbone = make("half.pt", {.output = {.entry = "1"}});
  const at::Tensor features = encode(*backbone, frames());
  EXPECT_EQ(features.scalar_type(), at::kFloat);
  EXPECT_TRUE(features.allclose(both("half"), 2e-2, 2e-2));
}

TEST(TorchScriptParity, HoldsForAllCamerasInOneCall) {
  auto backbone = make("joint.pt", {.mode = Mode::kJoint});
  EXPECT_EQ(backbone->joint_output_dim(), 8);
  EXPECT_EQ(backbone->feature_dim(), 8);
  EXPECT_TRUE(encode(*backbone, frames()).allclose(expected().at("joint"), kTolerance, kTolerance));
}

TEST(TorchScriptParity, HoldsForTheBackbonesOrderOfCameras) {
  auto joint = make("joint.pt", {.camera_names = {"top", "front"}, .mode = Mode::kJoint});
  EXPECT_THAT(joint->camera_names(), ElementsAre("top", "front"));
  EXPECT_TRUE(
      encode(*joint, frames()).allclose(expected().at("joint_turned"), kTolerance, kTolerance));
  auto alone = make("scripted.pt", {.camera_names = {"top"}});
  EXPECT_TRUE(encode(*alone, frames()).allclose(expected().at("conv.top"), kTolerance, kTolerance));
  auto turned = make("scripted.pt", {.camera_names = {"top", "front"}});
  EXPECT_TRUE(encode(*turned, frames())
                  .slice(2, 0, 8)
                  .allclose(expected().at("conv.top"), kTolerance, kTolerance));
}

TEST(TorchScriptParity, KeepsPixelsBetweenZeroAndOneWithoutNormalization) {
  const ObservationSpec small{.streams = {rgb_stream("front", {2, 3})}};
  TorchScriptBackbone backbone({.file = exported("sized.pt"), .mean = {0, 0, 0}, .std = {1, 1, 1}},
                               small);
  EXPECT_EQ(backbone.output_dim(), 18);
  const at::Tensor image = at::arange(18, at::kByte).view({1, 1, 2, 3, 3});
  const at::Tensor planes = image.permute({0, 1, 4, 2, 3}).flatten(2).to(at::kFloat) / 255;
  EXPECT_TRUE(encode(backbone, {{"front", image}}).allclose(planes, 1e-6, 1e-6));
}

TEST(TorchScriptParity, IsBitIdenticalOnEveryRun) {
  auto backbone = make("scripted.pt");
  const at::Tensor first = encode(*backbone, frames());
  for (int run = 0; run < 4; ++run) EXPECT_TRUE(first.equal(encode(*backbone, frames())));
}

TEST(TorchScriptBackbone, DoesNotChangeFramesOrGenerators) {
  const at::Tensor default_state = at::detail::getDefaultCPUGenerator().get_state();
  auto backbone = make("scripted.pt");
  at::Generator generator = make_generator(1);
  const at::Tensor own = generator.get_state();
  Observation images, copies;
  for (const auto& [camera, image] : frames()) {
    images[camera] = image.clone();
    copies[camera] = image.clone();
  }
  backbone->encode(images, generator);
  for (const auto& [camera, image] : images) EXPECT_TRUE(image.equal(copies.at(camera)));
  EXPECT_TRUE(own.equal(generator.get_state()));
  EXPECT_TRUE(default_state.equal(at::detail::getDefaultCPUGenerator().get_state()));
}

TEST(TorchScriptBackbone, HasACacheIdentityFromTheProgramAndItsInput) {
  const std::string identity = make("scripted.pt")->cache_identity();
  EXPECT_NE(identity, make("traced.pt")->cache_identity());
  EXPECT_NE(identity, make("scripted.pt", {.resize = ImageSize{24, 20}})->cache_identity());
  EXPECT_NE(identity, make("scripted.pt", {.mean = {0, 0, 0}})->cache_identity());
  const std::filesystem::path copy = exported("copy_of_scripted.pt");
  std::filesystem::copy_file(exported("scripted.pt"), copy);
  EXPECT_EQ(identity, make("copy_of_scripted.pt")->cache_identity());
}

}  // namespace
}  // namespace roboimi::torchscript_backbone
