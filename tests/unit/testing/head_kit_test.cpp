// Tests of the head checks: a correct head passes all, and each fault is found by its check.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/linear.h>

#include "roboimi/testing/head_checks.h"
#include "tests/unit/testing/failing_checks.h"

namespace roboimi::testing {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;

enum class HeadFault {
  kNone,
  kOtherSizes,
  kLossPerSample,
  kLiveMetric,
  kUnseeded,
  kUnseededSample,
  kDefaultGenerator,
  kWritesInput,
  kCountsPadding,
  kDividesByNothing,
  kUnusedParameter,
  kStopsGradient,
  kWrongSample,
  kAcceptsAnything,
  kLearnsNothing,
  kUnregisteredWeight,
  kGrows,
  kMixesNoise,
  kAcceptsAPrefix,
  kChangesItsPrefix,
};

// Predicts the chunk from the condition with one linear layer and a little noise on the input.
class FaultyHead : public Head {
 public:
  FaultyHead(HeadFault fault, const HeadSpec& spec) : fault_(fault), spec_(spec) {
    linear_ = register_module(
        "linear", torch::nn::Linear(spec.global_cond_dim(), spec.pred_horizon * spec.action_dim));
    if (fault == HeadFault::kUnusedParameter) register_parameter("unused", at::ones({3}));
    if (fault == HeadFault::kUnregisteredWeight) hidden_ = at::full({1}, made()++);
    if (fault == HeadFault::kOtherSizes) spec_.action_dim += 1;
  }

  const HeadSpec& spec() const override { return spec_; }

  LossReport loss(const at::Tensor& actions, const Condition& condition, const at::Tensor& is_pad,
                  at::Generator& generator) override {
    const at::Tensor& cond = condition.steps;
    if (fault_ != HeadFault::kAcceptsAnything && fault_ != HeadFault::kOtherSizes) {
      check_loss_arguments(actions, cond, is_pad);
    }
    at::Generator own = at::detail::createCPUGenerator(static_cast<std::uint64_t>(made()++));
    const at::Tensor noise =
        fault_ == HeadFault::kDefaultGenerator
            ? at::randn_like(cond)
            : at::randn(cond.sizes(), fault_ == HeadFault::kUnseeded ? own : generator,
                        cond.options());
    at::Tensor predicted =
        predict(cond + 0.01 * noise).view({actions.size(0), spec_.pred_horizon, -1});
    if (fault_ == HeadFault::kWritesInput) actions.fill_(0.0);
    if (fault_ == HeadFault::kLearnsNothing) predicted = predicted * 0 + at::ones_like(actions);
    const at::Tensor error = (predicted.narrow(-1, 0, actions.size(-1)) - actions).square();
    const at::Tensor valid = is_pad.logical_not().to(error.scalar_type()).unsqueeze(-1);
    const at::Tensor count = valid.sum() * actions.size(-1);
    LossReport report;
    if (fault_ == HeadFault::kCountsPadding) {
      report.loss = error.mean();
    } else if (fault_ == HeadFault::kDividesByNothing) {
      report.loss = (error * valid).sum() / count;
    } else if (fault_ == HeadFault::kLossPerSample) {
      report.loss = (error * valid).mean({1, 2});
    } else {
      report.loss = (error * valid).sum() / count.clamp_min(1.0);
    }
    // The fault: the gradient is twice as large as it should be.
    if (fault_ == HeadFault::kStopsGradient) report.loss = 2 * report.loss - report.loss.detach();
    report.metrics["loss"] = fault_ == HeadFault::kLiveMetric ? report.loss : report.loss.detach();
    return report;
  }

  at::Tensor sample(const Condition& condition, const BatchGenerator& noise,
                    const at::Tensor& prefix) override {
    const at::Tensor& cond = condition.steps;
    if (fault_ != HeadFault::kAcceptsAnything && fault_ != HeadFault::kOtherSizes) {
      check_sample_arguments(cond, fault_ == HeadFault::kAcceptsAPrefix ? at::Tensor() : prefix);
    }
    at::Tensor chunk = predict(cond);
    const at::Generator own = at::detail::createCPUGenerator(static_cast<std::uint64_t>(made()++));
    const BatchGenerator& source =
        fault_ == HeadFault::kUnseededSample ? BatchGenerator(own) : noise;
    at::Tensor drawn = source.randn(chunk.sizes(), chunk.options());
    if (fault_ == HeadFault::kMixesNoise) drawn = drawn + drawn.mean(0, /*keepdim=*/true);
    chunk = chunk + 0.01 * drawn;
    if (hidden_.defined()) chunk = chunk + hidden_;
    if (fault_ == HeadFault::kGrows) kept_.push_back(chunk);
    if (fault_ == HeadFault::kWrongSample) return chunk;
    return chunk.view({cond.dim() == 3 ? cond.size(0) : 1, spec_.pred_horizon, -1});
  }
  bool continues_prefix() const override { return fault_ == HeadFault::kChangesItsPrefix; }

 private:
  static int& made() {
    static int count = 0;
    return count;
  }

  at::Tensor predict(const at::Tensor& cond) {
    return linear_->forward(cond.reshape({-1, linear_->options.in_features()}));
  }

  HeadFault fault_;
  HeadSpec spec_;
  torch::nn::Linear linear_{nullptr};
  at::Tensor hidden_;
  std::vector<at::Tensor> kept_;
};

class FaultyHeadSubject : public HeadSubject {
 public:
  explicit FaultyHeadSubject(HeadFault fault) : fault_(fault) {}
  std::shared_ptr<Head> make(const HeadSpec& spec) const override {
    return std::make_shared<FaultyHead>(fault_, spec);
  }

 private:
  HeadFault fault_;
};

TEST(HeadKit, PassesAHeadWithoutAFault) {
  EXPECT_THAT(failing_checks(head_checks(), FaultyHeadSubject(HeadFault::kNone)), IsEmpty());
}

class EachHeadFault : public ::testing::TestWithParam<std::pair<HeadFault, const char*>> {};

TEST_P(EachHeadFault, IsFoundByItsCheck) {
  const auto& [fault, check] = GetParam();
  EXPECT_THAT(failing_checks(head_checks(), FaultyHeadSubject(fault)), Contains(check));
}

INSTANTIATE_TEST_SUITE_P(
    All, EachHeadFault,
    ::testing::Values(std::pair(HeadFault::kOtherSizes, "declares_its_sizes"),
                      std::pair(HeadFault::kLossPerSample, "loss_is_one_finite_number"),
                      std::pair(HeadFault::kLiveMetric, "loss_is_one_finite_number"),
                      std::pair(HeadFault::kUnseeded, "same_seed_same_loss"),
                      std::pair(HeadFault::kUnseededSample, "same_seed_same_sample"),
                      std::pair(HeadFault::kDefaultGenerator, "default_generator_is_untouched"),
                      std::pair(HeadFault::kWritesInput, "input_is_not_written"),
                      std::pair(HeadFault::kCountsPadding, "padding_does_not_count"),
                      std::pair(HeadFault::kDividesByNothing, "padding_does_not_count"),
                      std::pair(HeadFault::kUnusedParameter, "gradient_reaches_every_parameter"),
                      std::pair(HeadFault::kStopsGradient, "gradient_agrees_with_differences"),
                      std::pair(HeadFault::kWrongSample, "samples_are_as_declared"),
                      std::pair(HeadFault::kAcceptsAnything, "wrong_sizes_are_refused"),
                      std::pair(HeadFault::kLearnsNothing, "overfits_one_batch"),
                      std::pair(HeadFault::kUnregisteredWeight, "saves_and_loads_to_the_bit"),
                      std::pair(HeadFault::kGrows, "memory_does_not_grow"),
                      std::pair(HeadFault::kMixesNoise, "rows_draw_their_own_noise"),
                      std::pair(HeadFault::kAcceptsAPrefix, "a_prefix_is_kept_or_refused"),
                      std::pair(HeadFault::kChangesItsPrefix, "a_prefix_is_kept_or_refused")));

}  // namespace
}  // namespace roboimi::testing
