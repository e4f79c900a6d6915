// Frozen and trained modules, and their state in a checkpoint.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <torch/nn/module.h>
#include <torch/utils.h>

#include "roboimi/common/error.h"
#include "roboimi/common/hash.h"
#include "roboimi/io/tensor_map.h"
#include "roboimi/train/flat_parameters.h"
#include "tests/device_traffic.h"
#include "tests/plugins/torchscript_backbone/cases.h"

namespace roboimi::torchscript_backbone {
namespace {

using ::testing::HasSubstr;

TensorMap copies_of(const torch::nn::Module& module) {
  TensorMap copies;
  for (const auto& [name, tensor] : tensors_of(module)) copies[name] = tensor.detach().clone();
  return copies;
}

TEST(TorchScriptFrozen, KeepsEvaluationModeWithoutGradientsWhileTheAgentTrains) {
  auto backbone = make("scripted.pt");
  auto parent = std::make_shared<torch::nn::Module>();
  parent->register_module("backbone", backbone);
  const TensorMap before = copies_of(*backbone);
  for (int step = 0; step < 3; ++step) {
    parent->train(true);
    for (at::Tensor& parameter : backbone->parameters()) parameter.requires_grad_(true);
    EXPECT_FALSE(encode(*backbone, frames()).requires_grad());
  }
  EXPECT_TRUE(backbone->frozen());
  for (const auto& module : backbone->modules()) EXPECT_FALSE(module->is_training());
  for (const at::Tensor& parameter : backbone->parameters()) {
    EXPECT_FALSE(parameter.requires_grad());
  }
  for (const auto& [name, tensor] : tensors_of(*backbone)) {
    EXPECT_TRUE(tensor.equal(before.at(name))) << name;
  }
}

TEST(TorchScriptFrozen, RegistersTheTensorsUnderTheirNamesInTheFile) {
  const TensorMap tensors = tensors_of(*make("scripted.pt"));
  for (const char* name : {"module.stem.0.weight", "module.stem.1.running_mean",
                           "module.second.weight", "module.scale", "module.shift"}) {
    EXPECT_TRUE(tensors.contains(name)) << name;
  }
  EXPECT_EQ(tensors.size(), 14U);  // and the digest of the file
  const TensorMap joint = tensors_of(*make("joint.pt", {.mode = Mode::kJoint}));
  EXPECT_TRUE(joint.contains("module.factors"));
  EXPECT_TRUE(joint.contains("module.encoder.stem.0.weight"));
}

TEST(TorchScriptLearning, TrainsWithoutHostDeviceTransfers) {
  auto backbone = make("scripted.pt", {.frozen = false});
  backbone->train(true);
  EXPECT_EQ(device_traffic_of([&] { encode(*backbone, frames()).sum().backward(); }), "");
}

TEST(TorchScriptLearning, GradientReachesParametersThatWereExportedTrainable) {
  auto backbone = make("scripted.pt", {.frozen = false});
  backbone->train(true);
  EXPECT_FALSE(backbone->frozen());
  encode(*backbone, frames()).pow(2).sum().backward();
  int trainable = 0;
  for (const auto& item : backbone->named_parameters()) {
    if (item.key() == "module.scale") {  // exported with requires_grad=False
      EXPECT_FALSE(item.value().requires_grad());
      continue;
    }
    ++trainable;
    ASSERT_TRUE(item.value().grad().defined()) << item.key();
    EXPECT_GT(item.value().grad().abs().sum().item<double>(), 0.0) << item.key();
  }
  EXPECT_EQ(trainable, 8);
  const torch::NoGradGuard no_grad;
  EXPECT_FALSE(encode(*backbone, frames()).requires_grad());
}

TEST(TorchScriptLearning, DrawsNoRandomNumbersAndKeepsBatchStatisticsInTraining) {
  auto backbone = make("scripted.pt", {.frozen = false});
  const at::Tensor default_state = at::detail::getDefaultCPUGenerator().get_state();
  const TensorMap before = copies_of(*backbone);
  backbone->train(true);
  const at::Tensor training = encode(*backbone, frames());
  backbone->train(false);
  EXPECT_TRUE(training.equal(encode(*backbone, frames())));
  EXPECT_TRUE(default_state.equal(at::detail::getDefaultCPUGenerator().get_state()));
  for (const auto& [name, tensor] : tensors_of(*backbone)) {
    EXPECT_TRUE(tensor.equal(before.at(name))) << name;
  }
}

// With libtorch's just-in-time optimizer, the gradients of the first run would differ from later
// ones.
TEST(TorchScriptLearning, GivesBitIdenticalGradientsFromTheFirstRunOn) {
  ScriptedModule module(exported("traced.pt"), {});
  at::Generator generator = make_generator(3);
  const at::Tensor pixels = at::randn({6, 3, 40, 48}, generator);
  std::vector<at::Tensor> first;
  for (int run = 0; run < 5; ++run) {
    module.zero_grad();
    module.forward(pixels).pow(2).sum().backward();
    std::vector<at::Tensor> gradients;
    for (const at::Tensor& parameter : module.parameters()) {
      if (parameter.requires_grad()) gradients.push_back(parameter.grad().clone());
    }
    if (run == 0) first = gradients;
    for (std::size_t i = 0; i < first.size(); ++i) {
      EXPECT_TRUE(first[i].equal(gradients[i])) << "run " << run << ", parameter " << i;
    }
  }
  EXPECT_EQ(first.size(), 8U);
}

TEST(TorchScriptLearning, StepsOnFlatBuffersChangeTheProgramAndKeepTiedWeightsTied) {
  auto backbone = make("scripted.pt", {.frozen = false});
  FlatParameters flat(*backbone, [](const std::string&, const at::Tensor&) { return false; });
  const at::Tensor before = encode(*backbone, frames());
  flat.zero_gradients();
  before.pow(2).mean().backward();
  flat.check_views();
  {
    const torch::NoGradGuard no_grad;
    for (const FlatGroup& group : flat.groups()) group.parameters.sub_(group.gradients, 0.05);
  }
  const at::Tensor after = encode(*backbone, frames());
  EXPECT_LT(after.pow(2).mean().item<double>(), before.pow(2).mean().item<double>());
  const TensorMap tensors = tensors_of(*backbone);
  EXPECT_TRUE(tensors.at("module.first.weight").equal(tensors.at("module.second.weight")));
}

TEST(TorchScriptState, IsSavedAndLoadedBitExactly) {
  auto trained = make("scripted.pt", {.frozen = false});
  {
    const torch::NoGradGuard no_grad;
    at::Generator generator = make_generator(9);
    for (at::Tensor& parameter : trained->parameters()) parameter.normal_(0.0, 0.5, generator);
    trained->named_buffers()["module.stem.1.running_mean"].fill_(0.25);
  }
  const std::filesystem::path file = exported("trained.safetensors");
  write_safetensors(file, tensors_of(*trained), {});
  auto loaded = make("scripted.pt");
  EXPECT_FALSE(encode(*loaded, frames()).equal(encode(*trained, frames())));
  load_tensors_strictly(*loaded, read_safetensors(file).tensors, file.string());
  EXPECT_TRUE(encode(*loaded, frames()).equal(encode(*trained, frames())));
}

TEST(TorchScriptState, IsRejectedByAnotherProgramWithTheSameShapes) {
  const TensorMap trained = copies_of(*make("scripted.pt"));
  auto other = make("traced.pt");
  EXPECT_EQ(encode(*other, frames()).size(2), 16);
  load_tensors_strictly(*other, trained, "model.safetensors");
  try {
    encode(*other, frames());
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                HasSubstr("traced.pt: not the encoder that the policy was trained with"));
    EXPECT_THAT(error.what(),
                HasSubstr("a file with sha256 " + sha256_file(exported("scripted.pt"))));
    EXPECT_THAT(error.what(), HasSubstr("set agent.backbone.file to that file"));
  }
}

TEST(TorchScriptState, FollowsTheModuleToAnotherDtype) {
  auto backbone = make("scripted.pt");
  const at::Tensor before = encode(*backbone, frames());
  backbone->to(at::kDouble);
  for (const auto& [name, tensor] : tensors_of(*backbone)) {
    if (name.ends_with("num_batches_tracked") || name == "file_digest") continue;
    EXPECT_EQ(tensor.scalar_type(), at::kDouble) << name;
  }
  backbone->to(at::kFloat);
  EXPECT_TRUE(before.equal(encode(*backbone, frames())));
}

}  // namespace
}  // namespace roboimi::torchscript_backbone
