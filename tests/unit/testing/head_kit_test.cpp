// Tests of the head checks: a correct head passes all, and each fault is found by its check.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/nn/init.h>
#include <torch/nn/modules/linear.h>

#include "roboimi/common/error.h"
#include "roboimi/testing/head_checks.h"
#include "tests/unit/testing/failing_checks.h"

namespace roboimi::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::int64_t kMissingTokens = 6;  // their size in the kit

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
  kOtherTokenDim,
  kCountsMaskedTokens,
  kDividesByAllTokens,
  kHidesItsTokens,
  kFixedNumberOfTokens,
  kNeedsAMask,
  kAcceptsAnyTokens,
  kFailsWithoutTokens,
};

// Predicts the chunk with one linear layer from the condition's steps, with a little noise, and the
// mean of its tokens.
class FaultyHead : public Head {
 public:
  FaultyHead(HeadFault fault, const HeadSpec& spec) : fault_(fault), spec_(spec) {
    linear_ = register_module("linear", torch::nn::Linear(spec.global_cond_dim() + spec.token_dim,
                                                          spec.pred_horizon * spec.action_dim));
    if (fault == HeadFault::kHidesItsTokens) torch::nn::init::zeros_(linear_->weight);
    if (fault == HeadFault::kOtherTokenDim) spec_.token_dim = 0;
    if (fault == HeadFault::kUnusedParameter) register_parameter("unused", at::ones({3}));
    if (fault == HeadFault::kUnregisteredWeight) hidden_ = at::full({1}, made()++);
    if (fault == HeadFault::kOtherSizes) spec_.action_dim += 1;
  }

  const HeadSpec& spec() const override { return spec_; }

  LossReport loss(const at::Tensor& actions, const Condition& condition, const at::Tensor& is_pad,
                  at::Generator& generator) override {
    if (fault_ == HeadFault::kAcceptsAnyTokens) {
      check_steps(condition);
    } else if (fault_ != HeadFault::kAcceptsAnything && fault_ != HeadFault::kOtherSizes) {
      check_loss_arguments(actions, condition, is_pad);
    }
    at::Generator own = at::detail::createCPUGenerator(static_cast<std::uint64_t>(made()++));
    const at::Tensor noise =
        fault_ == HeadFault::kDefaultGenerator
            ? at::randn_like(condition.steps)
            : at::randn(condition.steps.sizes(), fault_ == HeadFault::kUnseeded ? own : generator,
                        condition.steps.options());
    Condition noisy = condition;
    noisy.steps = condition.steps + 0.01 * noise;
    at::Tensor predicted = predict(noisy).view({actions.size(0), spec_.pred_horizon, -1});
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
    if (fault_ == HeadFault::kAcceptsAnyTokens) {
      check_steps(condition);
    } else if (fault_ != HeadFault::kAcceptsAnything && fault_ != HeadFault::kOtherSizes) {
      check_sample_arguments(condition,
                             fault_ == HeadFault::kAcceptsAPrefix ? at::Tensor() : prefix);
    }
    at::Tensor chunk = predict(condition);
    const at::Generator own = at::detail::createCPUGenerator(static_cast<std::uint64_t>(made()++));
    const BatchGenerator& source =
        fault_ == HeadFault::kUnseededSample ? BatchGenerator(own) : noise;
    at::Tensor drawn = source.randn(chunk.sizes(), chunk.options());
    if (fault_ == HeadFault::kMixesNoise) drawn = drawn + drawn.mean(0, /*keepdim=*/true);
    chunk = chunk + 0.01 * drawn;
    if (hidden_.defined()) chunk = chunk + hidden_;
    if (fault_ == HeadFault::kGrows) kept_.push_back(chunk);
    if (fault_ == HeadFault::kWrongSample) return chunk;
    const at::Tensor& steps = condition.steps;
    return chunk.view({steps.dim() == 3 ? steps.size(0) : 1, spec_.pred_horizon, -1});
  }
  bool continues_prefix() const override { return fault_ == HeadFault::kChangesItsPrefix; }

 private:
  static int& made() {
    static int count = 0;
    return count;
  }

  at::Tensor predict(const Condition& condition) {
    at::Tensor input = condition.steps.reshape({-1, spec_.global_cond_dim()});
    if (condition.tokens.defined()) {
      input = at::cat({input, mean_token(condition)}, 1);
    } else if (fault_ == HeadFault::kAcceptsAnyTokens || fault_ == HeadFault::kFailsWithoutTokens) {
      input = at::cat({input, at::zeros({input.size(0), kMissingTokens}, input.options())}, 1);
    }
    return linear_->forward(input);
  }

  // The mean of the tokens that are used, [B, D].
  at::Tensor mean_token(const Condition& condition) const {
    const at::Tensor tokens = fault_ == HeadFault::kAcceptsAnyTokens
                                  ? condition.tokens.narrow(-1, 0, spec_.token_dim)
                                  : condition.tokens;
    if (fault_ == HeadFault::kFixedNumberOfTokens && tokens.size(1) != 5) {
      throw Error("five tokens are expected");
    }
    if (!condition.token_mask.defined() && fault_ != HeadFault::kNeedsAMask) return tokens.mean(1);
    if (fault_ == HeadFault::kCountsMaskedTokens || fault_ == HeadFault::kHidesItsTokens) {
      return tokens.mean(1);
    }
    const at::Tensor used = condition.token_mask.to(tokens.scalar_type()).unsqueeze(-1);
    const at::Tensor sum = (tokens * used).sum(1);
    return fault_ == HeadFault::kDividesByAllTokens ? sum / tokens.size(1) : sum / used.sum(1);
  }

  // Checks the steps, but not the tokens: of tokens that are too large, the first elements are
  // used.
  void check_steps(const Condition& condition) const {
    if (condition.steps.size(-1) != spec_.per_step_cond_dim) throw Error("cond is too small");
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

// Creates heads that exist only with tokens, or only without.
class PickySubject final : public FaultyHeadSubject {
 public:
  PickySubject(bool wants_tokens, std::int64_t token_dim)
      : FaultyHeadSubject(HeadFault::kNone), wants_tokens_(wants_tokens), token_dim_(token_dim) {}
  std::shared_ptr<Head> make(const HeadSpec& spec) const override {
    if ((spec.token_dim > 0) != wants_tokens_) throw Error("the head rejects this token_dim");
    return FaultyHeadSubject::make(spec);
  }
  HeadSpec spec() const override {
    HeadSpec spec = HeadSubject::spec();
    spec.token_dim = token_dim_;
    return spec;
  }

 private:
  bool wants_tokens_;
  std::int64_t token_dim_;
};

TEST(HeadKit, PassesAHeadWithoutAFault) {
  const FaultyHeadSubject subject(HeadFault::kNone);
  EXPECT_THAT(failing_checks(head_checks(), subject), IsEmpty());
  EXPECT_THAT(checks_that(CheckStatus::kSkipped, head_checks(), subject), IsEmpty());
}

TEST(HeadKit, PassesAHeadThatRequiresTokens) {
  for (const std::int64_t token_dim : {0, 7}) {
    const PickySubject subject(/*wants_tokens=*/true, token_dim);
    EXPECT_THAT(failing_checks(head_checks(), subject), IsEmpty());
    EXPECT_THAT(checks_that(CheckStatus::kSkipped, head_checks(), subject),
                ElementsAre("works_without_tokens"));
  }
}

TEST(HeadKit, PassesAHeadThatRejectsTokens) {
  const PickySubject subject(/*wants_tokens=*/false, 7);
  EXPECT_THAT(failing_checks(head_checks(), subject), IsEmpty());
  EXPECT_THAT(checks_that(CheckStatus::kSkipped, head_checks(), subject),
              ElementsAre("masked_tokens_do_not_count", "tokens_vary_in_number",
                          "wrong_tokens_are_refused"));
}

TEST(HeadKit, ReportsTheErrorOfTheSpecIfNoTokenDimIsAccepted) {
  class Subject final : public HeadSubject {
    std::shared_ptr<Head> make(const HeadSpec& spec) const override {
      throw Error("no head for tokens of dimension " + std::to_string(spec.token_dim));
    }
  };
  const CheckResult result = run_check(head_checks().front(), Subject());
  EXPECT_EQ(result.message, "unexpected exception: no head for tokens of dimension 6");
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
                      std::pair(HeadFault::kUnregisteredWeight, "saving_and_loading_is_exact"),
                      std::pair(HeadFault::kGrows, "memory_does_not_grow"),
                      std::pair(HeadFault::kMixesNoise, "rows_draw_their_own_noise"),
                      std::pair(HeadFault::kAcceptsAPrefix, "a_prefix_is_kept_or_refused"),
                      std::pair(HeadFault::kChangesItsPrefix, "a_prefix_is_kept_or_refused"),
                      std::pair(HeadFault::kOtherTokenDim, "declares_its_sizes"),
                      std::pair(HeadFault::kCountsMaskedTokens, "masked_tokens_do_not_count"),
                      std::pair(HeadFault::kDividesByAllTokens, "masked_tokens_do_not_count"),
                      std::pair(HeadFault::kHidesItsTokens, "masked_tokens_do_not_count"),
                      std::pair(HeadFault::kFixedNumberOfTokens, "tokens_vary_in_number"),
                      std::pair(HeadFault::kNeedsAMask, "tokens_vary_in_number"),
                      std::pair(HeadFault::kAcceptsAnyTokens, "wrong_tokens_are_refused"),
                      std::pair(HeadFault::kFailsWithoutTokens, "works_without_tokens")));

}  // namespace
}  // namespace roboimi::testing
