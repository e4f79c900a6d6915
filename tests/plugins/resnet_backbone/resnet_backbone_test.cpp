#include "plugins/resnet_backbone/resnet_backbone.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "roboimi/common/error.h"
#include "roboimi/common/random.h"
#include "roboimi/contract/weights_follow.h"
#include "roboimi/io/tensor_map.h"
#include "tests/device_traffic.h"

namespace roboimi::resnet_backbone {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const ObservationSpec kSpec{
    .streams = {rgb_stream("r_vis", {40, 48}), rgb_stream("top", {40, 48})}};

std::shared_ptr<ResNetBackbone> make(ResNetBackboneOptions options) {
  SeededConstruction guard(2);
  return std::make_shared<ResNetBackbone>(std::move(options), kSpec);
}

Observation random_images(std::int64_t batch, std::int64_t steps) {
  at::Generator generator = make_generator(4);
  Observation images;
  for (const char* camera : {"top", "r_vis"}) {
    images[camera] = at::randint(0, 256, {batch, steps, 40, 48, 3}, generator, at::kByte);
  }
  return images;
}

// LeRobot's keys may have several parts after observation.images.
TEST(ResNetBackbone, TakesCamerasWithDotsInTheirNames) {
  const ObservationSpec spec{
      .streams = {rgb_stream("rgb.head", {40, 48}), rgb_stream("rgb_head", {40, 48})}};
  const ResNetBackbone backbone({}, spec);
  EXPECT_THAT(backbone.camera_names(), ElementsAre("rgb.head", "rgb_head"));
  EXPECT_TRUE(backbone.named_children().contains("encoder_rgb/head"));
  EXPECT_TRUE(backbone.named_children().contains("encoder_rgb_head"));
}

TEST(ResNetBackbone, GivesSixtyFourFeaturesPerCameraInTheOrderOfTheData) {
  auto backbone = make({});
  at::Generator generator = make_generator(1);
  EXPECT_THAT(backbone->camera_names(), ElementsAre("r_vis", "top"));
  EXPECT_EQ(backbone->output_dim(), 64);
  EXPECT_EQ(backbone->joint_output_dim(), std::nullopt);
  EXPECT_EQ(backbone->feature_dim(), 128);
  const Observation images = random_images(2, 3);
  const at::Tensor features = backbone->encode(images, generator);
  EXPECT_EQ(features.sizes(), (std::vector<std::int64_t>{2, 3, 128}));
  // Another image in `top` changes the second half only.
  Observation changed = images;
  changed["top"] = 255 - images.at("top");
  const at::Tensor other = backbone->encode(changed, generator);
  EXPECT_TRUE(features.slice(2, 0, 64).allclose(other.slice(2, 0, 64), 0.0, 1e-5));
  EXPECT_FALSE(features.slice(2, 64).allclose(other.slice(2, 64), 0.0, 1e-3));
}

TEST(ResNetBackbone, UsesItsOwnCameraOrderIfConfigured) {
  auto backbone = make({.shared = true, .camera_names = {"top", "r_vis"}});
  at::Generator generator = make_generator(1);
  const Observation images = random_images(1, 1);
  const at::Tensor features = backbone->encode(images, generator);
  const Observation swapped = {{"top", images.at("r_vis")}, {"r_vis", images.at("top")}};
  const at::Tensor other = backbone->encode(swapped, generator);
  EXPECT_TRUE(features.slice(2, 0, 64).allclose(other.slice(2, 64), 0.0, 1e-5));
}

TEST(ResNetBackbone, HasOneSharedEncoderOrOnePerCamera) {
  auto count = [](const ResNetBackbone& backbone) {
    std::int64_t total = 0;
    for (const at::Tensor& parameter : backbone.parameters()) total += parameter.numel();
    return total;
  };
  EXPECT_EQ(count(*make({})), 2 * count(*make({.shared = true})));
  EXPECT_EQ(make({.depth = 50, .pooling = Pooling::kAverage, .shared = true})->output_dim(), 2048);
  // ResNet-18 without fc has 11,176,512 parameters.
  EXPECT_EQ(count(*make({.pooling = Pooling::kAverage, .shared = true})), 11'176'512);
}

TEST(ResNetBackbone, GradientReachesEveryTrainableParameter) {
  for (const resnet::ResNetNorm norm : {resnet::ResNetNorm::kGroup, resnet::ResNetNorm::kBatch}) {
    auto backbone = make({.norm = norm});
    at::Generator generator = make_generator(1);
    backbone->encode(random_images(1, 2), generator).pow(2).sum().backward();
    int trainable = 0;
    for (const auto& item : backbone->named_parameters()) {
      if (!item.value().requires_grad()) continue;
      ++trainable;
      ASSERT_TRUE(item.value().grad().defined()) << item.key();
      EXPECT_GT(item.value().grad().abs().sum().item<double>(), 0.0) << item.key();
    }
    // 20 convolutions and the pool's weight and bias; GroupNorm adds 20 weights and 20 biases.
    EXPECT_EQ(trainable, 2 * (norm == resnet::ResNetNorm::kGroup ? 62 : 22));
  }
}

TEST(ResNetBackbone, BatchNormStaysAsLoadedInTraining) {
  auto backbone = make({.norm = resnet::ResNetNorm::kBatch, .shared = true});
  std::vector<at::Tensor> before;
  for (const at::Tensor& buffer : backbone->buffers()) before.push_back(buffer.clone());
  ASSERT_FALSE(before.empty());
  at::Generator generator = make_generator(1);
  backbone->train(true);
  for (int i = 0; i < 3; ++i) backbone->encode(random_images(2, 1), generator);
  const std::vector<at::Tensor> after = backbone->buffers();
  for (std::size_t i = 0; i < before.size(); ++i) EXPECT_TRUE(before[i].equal(after[i]));
}

TEST(ResNetBackbone, FrozenHasNoGradientsAndStaysInEvaluation) {
  auto backbone = make({.frozen = true});
  backbone->train(true);
  EXPECT_TRUE(backbone->frozen());
  EXPECT_FALSE(backbone->is_training());
  for (const at::Tensor& parameter : backbone->parameters()) {
    EXPECT_FALSE(parameter.requires_grad());
  }
  at::Generator generator = make_generator(1);
  EXPECT_FALSE(backbone->encode(random_images(1, 1), generator).requires_grad());
}

TEST(ResNetBackbone, CropsAtRandomInTrainingAndAtTheCenterOtherwise) {
  auto backbone = make({.shared = true, .crop = ImageSize{33, 33}});
  EXPECT_TRUE(backbone->has_random_transform());
  EXPECT_FALSE(make({})->has_random_transform());
  const at::Tensor default_state = at::detail::getDefaultCPUGenerator().get_state();
  // One frame repeated over time and over the batch.
  Observation images = random_images(1, 1);
  for (auto& [camera, image] : images) image = image.expand({6, 2, -1, -1, -1}).contiguous();
  at::Generator generator = make_generator(1);
  const at::Tensor own = generator.get_state();
  const at::Tensor random = backbone->encode(images, generator);
  EXPECT_FALSE(own.equal(generator.get_state()));
  EXPECT_TRUE(random.select(1, 0).allclose(random.select(1, 1), 0.0, 1e-5));  // one per sample
  EXPECT_FALSE(random[0].allclose(random[1], 0.0, 1e-4) &&
               random[0].allclose(random[2], 0.0, 1e-4));
  at::Generator again = make_generator(1);
  EXPECT_TRUE(random.allclose(backbone->encode(images, again), 0.0, 1e-5));

  backbone->train(false);
  const at::Tensor before = generator.get_state();
  const at::Tensor center = backbone->encode(images, generator);
  EXPECT_TRUE(before.equal(generator.get_state()));
  Observation cut;
  for (const auto& [camera, image] : images) cut[camera] = image.slice(2, 3, 36).slice(3, 7, 40);
  auto whole = make({.shared = true});
  whole->train(false);
  EXPECT_TRUE(center.allclose(whole->encode(cut, generator), 0.0, 1e-5));
  EXPECT_TRUE(default_state.equal(at::detail::getDefaultCPUGenerator().get_state()));
}

TEST(ResNetBackbone, EncodesTheWindowAtTheDrawnOffsets) {
  const ImageSize window{33, 31};
  const Observation images = random_images(3, 2);
  auto cropped = make({.shared = true, .crop = window}), whole = make({.shared = true});
  at::Generator generator = make_generator(1), same = make_generator(1);
  const at::Tensor features = cropped->encode(images, generator);
  Observation cut;
  for (const std::string& camera : cropped->camera_names()) {
    const at::Tensor ys = at::randint(40 - window.height + 1, {3}, same, at::kLong);
    const at::Tensor xs = at::randint(48 - window.width + 1, {3}, same, at::kLong);
    std::vector<at::Tensor> windows;
    for (std::int64_t i = 0; i < 3; ++i) {
      const auto y = ys[i].item<std::int64_t>(), x = xs[i].item<std::int64_t>();
      windows.push_back(
          images.at(camera)[i].slice(1, y, y + window.height).slice(2, x, x + window.width));
    }
    cut[camera] = at::stack(windows);
  }
  EXPECT_TRUE(at::equal(features, whole->encode(cut, generator)));
}

TEST(ResNetBackbone, TrainsWithoutHostDeviceTransfers) {
  auto backbone = make({.shared = true, .resize = ImageSize{36, 40}, .crop = ImageSize{33, 33}});
  const Observation images = random_images(2, 1);
  at::Generator generator = make_generator(1);
  EXPECT_EQ(device_traffic_of([&] { backbone->encode(images, generator).sum().backward(); }), "");
}

TEST(ResNetBackbone, ResizesBeforeCropping) {
  auto backbone = make({.shared = true, .resize = ImageSize{20, 24}});
  at::Generator generator = make_generator(1);
  const Observation images = random_images(1, 1);
  Observation small;
  for (const auto& [camera, image] : images) {
    small[camera] = at::_upsample_bilinear2d_aa(
                        image.flatten(0, 1).permute({0, 3, 1, 2}).to(at::kFloat), {20, 24}, false)
                        .round()
                        .to(at::kByte)
                        .permute({0, 2, 3, 1})
                        .unsqueeze(0);
  }
  const at::Tensor resized = backbone->encode(images, generator);
  EXPECT_TRUE(resized.allclose(make({.shared = true})->encode(small, generator), 0.0, 0.02));
}

TEST(ResNetBackbone, GivesAFrameTheSameFeatureInAnyBatch) {
  auto backbone = make({.norm = resnet::ResNetNorm::kBatch, .shared = true});
  at::Generator generator = make_generator(1);
  const Observation images = random_images(5, 1);
  Observation one;
  for (const auto& [camera, image] : images) one[camera] = image.slice(0, 2, 3);
  EXPECT_TRUE(backbone->encode(images, generator)
                  .slice(0, 2, 3)
                  .allclose(backbone->encode(one, generator), 0.0, 1e-5));
}

TEST(ResNetBackbone, ReportsOptionsAndWeightsThatDoNotFit) {
  try {
    make({.crop = ImageSize{41, 40}});
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("the crop is larger than camera 'r_vis'"));
    EXPECT_THAT(error.what(), HasSubstr("at most 40x48"));
  }
  try {
    make({.camera_names = {"front"}});
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("camera 'front' is missing"));
  }
  try {
    make({})->load_weights(
        {.tensors = {{"conv1.weight", at::ones({64, 3, 3, 3})}, {"fc.bias", at::ones({2})}}},
        "weights.pth");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("weights.pth"));
    EXPECT_THAT(error.what(), HasSubstr("missing (bn1.bias"));
    EXPECT_THAT(
        error.what(),
        HasSubstr("conv1.weight: Float [64, 3, 3, 3], but Float [64, 3, 7, 7] in the model"));
  }
  const Options odd = parse_options(parse_yaml("crop_height: 30", "resnet.yaml"), schema());
  EXPECT_THROW(create(odd, kSpec), Error);
}

// A file with the weights of `backbone`'s first encoder under other names.
CheckpointFile weights_of(ResNetBackbone& backbone,
                          const std::function<std::string(const std::string&)>& rename) {
  CheckpointFile file;
  const std::string start = "encoder_r_vis.";
  for (const auto& [name, tensor] : tensors_of(backbone)) {
    if (name.starts_with(start)) file.tensors[rename(name.substr(start.size()))] = tensor + 1;
  }
  return file;
}

TEST(ResNetWeights, AreFoundUnderEveryPrefixAndInCompiledModules) {
  auto source = make({.norm = resnet::ResNetNorm::kBatch});
  for (const std::string prefix :
       {"module._orig_mod.", "_orig_mod.module.", "module.module.", "model.backbone.", "layer1"}) {
    const CheckpointFile file = weights_of(*source, [&](const std::string& name) {
      if (prefix != "layer1") return prefix + name;
      return name.starts_with("layer1.") ? "layer1._orig_mod." + name.substr(7) : name;
    });
    auto backbone = make({.norm = resnet::ResNetNorm::kBatch});
    backbone->load_weights(file, "weights.pth");
    const TensorMap loaded = tensors_of(*backbone), given = tensors_of(*source);
    for (const char* name :
         {"encoder_top.conv1.weight", "encoder_r_vis.layer4.1.bn2.running_var"}) {
      const std::string original =
          "encoder_r_vis" + std::string(name).substr(std::string(name).find('.'));
      EXPECT_TRUE(at::equal(loaded.at(name), given.at(original) + 1)) << prefix << name;
    }
  }
}

TEST(ResNetWeights, NeedNoFileIfTheRunsCheckpointFollows) {
  const ResNetBackboneOptions gone{.checkpoint = "/nowhere/resnet18.pth"};
  try {
    make(gone);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("/nowhere/resnet18.pth"));
  }
  const WeightsFollow weights_follow;
  EXPECT_NO_THROW(make(gone));
}

TEST(ResNetWeights, ThatAreNotFiniteAreNamed) {
  auto backbone = make({});
  CheckpointFile file = weights_of(*backbone, [](const std::string& name) { return name; });
  file.tensors["conv1.weight"].view(-1)[3] = NAN;
  try {
    backbone->load_weights(file, "diverged.pth");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("diverged.pth: weights are NaN or infinite"));
    EXPECT_THAT(error.what(), HasSubstr("conv1.weight: 1 of 9408"));
  }
}

}  // namespace
}  // namespace roboimi::resnet_backbone
