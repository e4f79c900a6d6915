// Tests of AdamW, clipping, EMA and schedules against PyTorch
// (tests/golden/optimizer_reference.py).
#include "roboimi/train/optimizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/train/ema.h"
#include "tests/device_traffic.h"
#include "tests/unit/train/tiny_agent.h"

namespace roboimi {
namespace {

using nlohmann::json;

const json& reference() {
  static const json loaded =
      json::parse(read_text(ROBOIMI_SOURCE_DIR "/tests/golden/optimizer_reference.json"));
  return loaded;
}

at::Tensor tensor_of(const json& numbers) {
  std::vector<double> values;
  const bool is_matrix = numbers[0].is_array();
  for (const json& row : numbers) {
    if (!is_matrix) values.push_back(row);
    if (is_matrix) values.insert(values.end(), row.begin(), row.end());
  }
  const auto rows = static_cast<std::int64_t>(numbers.size());
  const at::Tensor flat = at::tensor(values, at::kDouble).to(at::kFloat);
  return is_matrix ? flat.view({rows, -1}) : flat;
}

struct TwoParametersImpl : torch::nn::Module {
  TwoParametersImpl() {
    bias = register_parameter("bias", tensor_of(reference()["start"]["bias"]));
    weight = register_parameter("weight", tensor_of(reference()["start"]["weight"]));
  }
  at::Tensor weight, bias;
};

bool decays_when_matrix(const std::string&, const at::Tensor& parameter) {
  return parameter.dim() >= 2;
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

LearningRateSchedule reference_schedule() {
  return {.kind = LearningRateSchedule::Kind::kCosine,
          .peak = reference()["peak"],
          .warmup_steps = reference()["warmup"],
          .max_steps = static_cast<std::int64_t>(reference()["steps"].size())};
}

// Does not include AdamW's update, because the fused kernel reads its step count on CPUs (only).
TEST(Ema, AndClippingReadNothingFromTheDeviceAndCopyNothingToIt) {
  TwoParametersImpl module;
  FlatParameters flat(module, decays_when_matrix);
  Ema ema(flat, {});
  EXPECT_EQ(device_traffic_of([&] {
              flat.zero_gradients();
              (module.weight.sum() * module.bias.sum()).backward();
              flat.clip_gradients(1.0);
              ema.update();
            }),
            "");
}

TEST(AdamW, FollowsPyTorchOverSeveralClippedSteps) {
  TwoParametersImpl module;
  FlatParameters flat(module, decays_when_matrix);
  AdamW optimizer(flat, {.beta1 = 0.95, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.1});
  std::int64_t step = 0;
  for (const json& expected : reference()["steps"]) {
    module.weight.mutable_grad().copy_(tensor_of(expected["weight_grad"]));
    module.bias.mutable_grad().copy_(tensor_of(expected["bias_grad"]));
    const at::Tensor norm = flat.clip_gradients(reference()["max_norm"]);
    EXPECT_NEAR(norm.item<double>(), expected["norm"].get<double>(), 1e-6);
    EXPECT_LT(largest_difference(module.bias.grad(), tensor_of(expected["clipped_bias_grad"])),
              1e-7);
    optimizer.step(reference_schedule().learning_rate(step++));
    EXPECT_LT(largest_difference(module.weight, tensor_of(expected["weight"])), 1e-6);
    EXPECT_LT(largest_difference(module.bias, tensor_of(expected["bias"])), 1e-6);
    flat.check_views();
  }
}

// A CUDA graph reads the learning rate from the device. The tensor is a double here because the CPU
// kernel expects one.
TEST(AdamW, GivesTheSameBitsWithTheLearningRateInATensor) {
  TwoParametersImpl number, tensor;
  FlatParameters flat_number(number, decays_when_matrix), flat_tensor(tensor, decays_when_matrix);
  AdamW by_number(flat_number, {.weight_decay = 0.1}),
      by_tensor(flat_tensor, {.weight_decay = 0.1});
  std::int64_t step = 0;
  for (const json& record : reference()["steps"]) {
    for (TwoParametersImpl* module : {&number, &tensor}) {
      module->weight.mutable_grad().copy_(tensor_of(record["weight_grad"]));
      module->bias.mutable_grad().copy_(tensor_of(record["bias_grad"]));
    }
    const double rate = reference_schedule().learning_rate(step++);
    by_number.step(rate);
    by_tensor.step(at::full({}, rate, at::kDouble));
  }
  EXPECT_TRUE(at::equal(number.weight, tensor.weight));
  EXPECT_TRUE(at::equal(number.bias, tensor.bias));
}

TEST(Ema, TakesItsWeightFromATensor) {
  TwoParametersImpl module;
  FlatParameters flat(module, decays_when_matrix);
  const torch::NoGradGuard no_grad;
  Ema by_number(flat, {}), by_tensor(flat, {});
  for (int i = 0; i < 8; ++i) {
    module.weight.mul_(0.9).add_(0.01);
    EXPECT_EQ(by_number.next_weight(), by_tensor.next_weight());
    by_tensor.update_with(at::full({}, by_tensor.next_weight()));
    by_tensor.count_update();
    by_number.update();
    EXPECT_TRUE(at::equal(by_number.state().at("weight"), by_tensor.state().at("weight"))) << i;
  }
  EXPECT_EQ(by_tensor.step(), 8);
}

TEST(LearningRateSchedule, FollowsPyTorchsLinearWarmupAndCosine) {
  std::int64_t step = 0;
  for (const json& expected : reference()["steps"]) {
    EXPECT_NEAR(reference_schedule().learning_rate(step++), expected["learning_rate"].get<double>(),
                1e-12);
  }
}

TEST(LearningRateSchedule, StaysAtThePeakWhenConstant) {
  LearningRateSchedule schedule = reference_schedule();
  schedule.kind = LearningRateSchedule::Kind::kConstant;
  EXPECT_DOUBLE_EQ(schedule.learning_rate(0), schedule.peak / 3);
  EXPECT_DOUBLE_EQ(schedule.learning_rate(3), schedule.peak);
  EXPECT_DOUBLE_EQ(schedule.learning_rate(100000), schedule.peak);
}

TEST(AdamW, ContinuesBitExactlyFromItsState) {
  const auto run = [](std::int64_t save_after) {
    TwoParametersImpl module;
    auto flat = std::make_unique<FlatParameters>(module, decays_when_matrix);
    auto optimizer = std::make_unique<AdamW>(*flat, AdamWOptions{});
    std::int64_t step = 0;
    for (const json& record : reference()["steps"]) {
      if (step++ == save_after) {
        const auto state = optimizer->state();
        optimizer = std::make_unique<AdamW>(*flat, AdamWOptions{});
        optimizer->load_state(state);
      }
      module.weight.mutable_grad().copy_(tensor_of(record["weight_grad"]));
      module.bias.mutable_grad().copy_(tensor_of(record["bias_grad"]));
      optimizer->step(1e-2);
    }
    return module.weight.detach().clone();
  };
  EXPECT_TRUE(at::equal(run(-1), run(4)));
}

TEST(AdamW, NamesAMissingTensorOfItsState) {
  TwoParametersImpl module;
  FlatParameters flat(module, decays_when_matrix);
  AdamW optimizer(flat, {});
  auto state = optimizer.state();
  state.erase("exp_avg_sq.bias");
  try {
    optimizer.load_state(state);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "exp_avg_sq.bias: a tensor is missing from the checkpoint");
  }
}

TEST(Ema, FollowsThePowerFormulaAndItsCap) {
  TwoParametersImpl module;
  FlatParameters flat(module, decays_when_matrix);
  Ema ema(flat, {.max_decay = 0.6});
  const torch::NoGradGuard no_grad;
  for (const json& expected : reference()["steps"]) {
    module.weight.copy_(tensor_of(expected["weight"]));
    ema.update();
    EXPECT_LT(largest_difference(ema.state().at("weight"), tensor_of(expected["average"])), 1e-6);
  }
  EXPECT_EQ(ema.step(), 8);
  EXPECT_DOUBLE_EQ(ema.decay(0), 0.0);
  EXPECT_DOUBLE_EQ(ema.decay(1), 1.0 - std::pow(2.0, -0.75));
  EXPECT_DOUBLE_EQ(ema.decay(1000000), 0.6);
}

TEST(Ema, ContinuesAtItsSavedStep) {
  TwoParametersImpl module;
  FlatParameters flat(module, decays_when_matrix);
  const torch::NoGradGuard no_grad;
  Ema whole(flat, {}), first_half(flat, {});
  for (int i = 0; i < 5; ++i) {
    module.bias.mul_(0.9);
    whole.update();
    first_half.update();
  }
  Ema second_half(flat, {});
  second_half.load_state(first_half.state(), first_half.step());
  for (int i = 0; i < 5; ++i) {
    module.bias.mul_(0.9);
    whole.update();
    second_half.update();
  }
  EXPECT_TRUE(at::equal(whole.state().at("bias"), second_half.state().at("bias")));
}

TEST(Ema, IsSwappedInAndOutBitExactly) {
  TwoParametersImpl module;
  FlatParameters flat(module, decays_when_matrix);
  Ema ema(flat, {.kind = EmaOptions::Kind::kConstant, .max_decay = 0.9});
  {
    const torch::NoGradGuard no_grad;
    module.weight.add_(1.0);
  }
  const at::Tensor own = module.weight.detach().clone();
  ema.update();
  {
    const EmaWeights averaged(ema);
    EXPECT_LT(largest_difference(module.weight, tensor_of(reference()["start"]["weight"]) + 0.1),
              1e-6);
  }
  EXPECT_TRUE(at::equal(module.weight, own));
  flat.check_views();
}

}  // namespace
}  // namespace roboimi
