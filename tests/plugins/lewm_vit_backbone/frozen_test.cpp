#include <gmock/gmock.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/linear.h>
#include <torch/optim/adamw.h>

#include "roboimi/common/error.h"
#include "tests/plugins/lewm_vit_backbone/lewm_cases.h"

namespace roboimi::lewm_vit_backbone {
namespace {

LewmVitOptions small_options() {
  return {.random_init = true,
          .fusion = {.height = 32, .width = 32},
          .hidden_size = 32,
          .num_layers = 2,
          .num_heads = 2,
          .intermediate_size = 64,
          .patch_size = 8,
          .image_size = 32,
          .projector_hidden = 64};
}

ObservationSpec spec_of(const std::vector<std::string>& cameras) {
  ObservationSpec spec;
  for (const std::string& camera : cameras) spec.set(rgb_stream(camera, {20, 24}));
  return spec;
}

Observation random_images(std::int64_t batch, std::int64_t steps) {
  at::Generator generator = make_generator(5);
  Observation images;
  for (const char* camera : {"front", "top", "r_vis"}) {
    images[camera] = at::randint(0, 256, {batch, steps, 20, 24, 3}, generator, at::kByte);
  }
  return images;
}

std::shared_ptr<LEWMViTBackbone> make_small() {
  SeededConstruction guard(3);
  return std::make_shared<LEWMViTBackbone>(small_options(), spec_of({"r_vis", "top", "front"}));
}

std::vector<at::Tensor> state_of(const torch::nn::Module& module) {
  std::vector<at::Tensor> state;
  for (const auto& list : {module.parameters(), module.buffers()}) {
    for (const at::Tensor& tensor : list) state.push_back(tensor.clone());
  }
  return state;
}

TEST(LewmFrozen, KeepsEvaluationModeWithoutGradientsWhileTheAgentTrains) {
  auto backbone = make_small();
  torch::nn::Sequential agent_like;  // a parent module, like an agent
  agent_like->push_back(torch::nn::AnyModule(torch::nn::Linear(32, 4)));
  auto parent = std::make_shared<torch::nn::Module>();
  parent->register_module("backbone", backbone);
  parent->train(true);
  EXPECT_TRUE(parent->is_training());
  for (const auto& module : backbone->modules()) EXPECT_FALSE(module->is_training());
  for (at::Tensor& parameter : backbone->parameters()) parameter.requires_grad_(true);
  backbone->train(true);
  for (const at::Tensor& parameter : backbone->parameters()) {
    EXPECT_FALSE(parameter.requires_grad());
  }
  EXPECT_TRUE(backbone->frozen());
  EXPECT_FALSE(backbone->has_random_transform());
}

TEST(LewmFrozen, KeepsItsWeightsBitExactlyOverAHundredTrainingSteps) {
  auto backbone = make_small();
  auto parent = std::make_shared<torch::nn::Module>();
  parent->register_module("backbone", backbone);
  torch::nn::Linear head(32, 4);
  parent->register_module("head", head);
  const std::vector<at::Tensor> before = state_of(*backbone);
  std::vector<at::Tensor> trainable;
  for (const at::Tensor& parameter : parent->parameters()) {
    if (parameter.requires_grad()) trainable.push_back(parameter);
  }
  EXPECT_EQ(trainable.size(), 2U);  // the head's
  torch::optim::AdamW optimizer(trainable, torch::optim::AdamWOptions(1e-2).weight_decay(0.1));
  const Observation images = random_images(4, 2);
  at::Generator generator = make_generator(1);
  for (int step = 0; step < 100; ++step) {
    parent->train(true);
    // A careless caller makes everything trainable and turns batch statistics on.
    backbone->projector->train(true);
    for (at::Tensor& parameter : backbone->parameters()) parameter.requires_grad_(true);
    optimizer.zero_grad();
    const at::Tensor features = backbone->encode(images, generator);
    EXPECT_FALSE(features.requires_grad());
    head->forward(features).pow(2).mean().backward();
    optimizer.step();
  }
  const std::vector<at::Tensor> after = state_of(*backbone);
  for (std::size_t i = 0; i < before.size(); ++i) EXPECT_TRUE(before[i].equal(after[i])) << i;
  for (const at::Tensor& parameter : backbone->parameters()) {
    EXPECT_FALSE(parameter.grad().defined());
    EXPECT_FALSE(parameter.requires_grad());
  }
}

TEST(LewmEncode, UsesWeightsThatAreLoadedLater) {
  auto backbone = make_small();
  const Observation images = random_images(1, 1);
  at::Generator generator = make_generator(1);
  const at::Tensor before = backbone->encode(images, generator);
  {
    torch::NoGradGuard no_grad;
    for (at::Tensor& parameter : backbone->projector->parameters()) parameter.mul_(2.0);
  }
  EXPECT_FALSE(before.allclose(backbone->encode(images, generator), 1e-3, 1e-3));
  // Also if the write does not increment the tensor's version.
  const at::Tensor doubled = backbone->encode(images, generator);
  for (at::Tensor& parameter : backbone->projector->parameters()) parameter.data().mul_(0.5);
  EXPECT_FALSE(doubled.allclose(backbone->encode(images, generator), 1e-3, 1e-3));
}

TEST(LewmEncode, MatchesTheTrainingPath) {
  auto backbone = make_small();
  {
    torch::NoGradGuard no_grad;
    at::Generator weights = make_generator(8);
    for (at::Tensor& parameter : backbone->parameters()) parameter.normal_(0.0, 0.3, weights);
    backbone->projector->norm()->running_mean.normal_(0.0, 1.0, weights);
    backbone->projector->norm()->running_var.uniform_(0.2, 2.0, weights);
  }
  Observation images = random_images(3, 2);
  at::Generator generator = make_generator(1);
  const at::Tensor pixels = view_fusion::fuse_views(
      {images["front"].flatten(0, 1), images["top"].flatten(0, 1), images["r_vis"].flatten(0, 1)},
      small_options().fusion);
  const at::Tensor expected = backbone->projector->forward(backbone->encoder->forward(pixels));
  EXPECT_TRUE(backbone->encode(images, generator)
                  .flatten(0, 1)
                  .allclose(expected.detach(), 1e-5, 1e-5 * expected.abs().max().item<double>()));
}

TEST(LewmEncode, DoesNotDependOnTheOrderOfCamerasInTheData) {
  const Observation images = random_images(2, 2);
  at::Generator generator = make_generator(1);
  std::vector<at::Tensor> features;
  const std::vector<std::vector<std::string>> orders = {{"r_vis", "top", "front"},
                                                        {"front", "top", "r_vis"}};
  for (const auto& order : orders) {
    SeededConstruction guard(3);
    LEWMViTBackbone backbone(small_options(), spec_of(order));
    EXPECT_THAT(backbone.camera_names(), ::testing::ElementsAre("front", "top", "r_vis"));
    EXPECT_EQ(backbone.joint_output_dim(), 32);
    EXPECT_EQ(backbone.feature_dim(), 32);
    features.push_back(backbone.encode(images, generator));
  }
  EXPECT_EQ(features[0].sizes(), (std::vector<std::int64_t>{2, 2, 32}));
  EXPECT_TRUE(features[0].equal(features[1]));
}

TEST(LewmEncode, GivesAFrameTheSameFeatureInAnyBatch) {
  auto backbone = make_small();
  const Observation images = random_images(9, 1);
  at::Generator generator = make_generator(1);
  const at::Tensor all = backbone->encode(images, generator);
  Observation one;
  for (const auto& [camera, image] : images) one[camera] = image.slice(0, 4, 5);
  EXPECT_TRUE(all.slice(0, 4, 5).allclose(backbone->encode(one, generator), 0.0, 1e-5));
}

TEST(LewmEncode, DrawsNoRandomNumbers) {
  auto backbone = make_small();
  at::Generator generator = make_generator(1);
  const at::Tensor own = generator.get_state();
  const at::Tensor before = at::detail::getDefaultCPUGenerator().get_state();
  backbone->encode(random_images(2, 1), generator);
  EXPECT_TRUE(own.equal(generator.get_state()));
  EXPECT_TRUE(before.equal(at::detail::getDefaultCPUGenerator().get_state()));
}

}  // namespace
}  // namespace roboimi::lewm_vit_backbone
