#include "roboimi/testing/head_token_checks.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>

#include "roboimi/common/error.h"
#include "roboimi/common/random.h"
#include "roboimi/testing/head_samples.h"
#include "roboimi/testing/sample_data.h"

namespace roboimi::testing {
namespace {

// Rounding: a longer row of tokens may be summed in a different order.
constexpr double kTolerance = 1e-4;

// Adds small random numbers to the weights, because an output layer that starts at zero would hide
// what the head does with its tokens.
void randomize(torch::nn::Module& module) {
  const torch::NoGradGuard no_grad;
  at::Generator generator = make_generator(12);
  for (const auto& item : module.named_parameters()) {
    const at::Tensor& parameter = item.value();
    if (!parameter.is_floating_point()) continue;
    item.value().add_(at::randn(parameter.sizes(), generator, parameter.options()), 0.05);
  }
}

// A head for conditions with tokens, in evaluation mode. Skips the check if there is none.
BuiltHead make_for_tokens(const HeadSubject& subject) {
  BuiltHead built = make_head(subject);
  if (built.spec.token_dim == 0) {
    built.spec.token_dim = kTokenDim;
    try {
      built.head = make_head(subject, built.spec);
    } catch (const Error&) {
      skip("the head rejects conditions with tokens");
    }
  }
  randomize(*built.head);
  built.head->eval();
  return built;
}

// The input with `count` tokens per sample, all of which are used; without a mask, or with one that
// is true everywhere.
HeadInput with_tokens(const HeadSpec& spec, std::int64_t count, bool with_mask) {
  HeadInput input = random_input(spec);
  input.cond.tokens = random_tokens(spec, kHeadBatch, count);
  input.cond.token_mask = with_mask ? at::ones({kHeadBatch, count}, at::kBool) : at::Tensor();
  return input;
}

// Fails unless the loss and the samples are the same for both inputs.
void require_same(Head& head, const HeadInput& found, const HeadInput& expected,
                  const std::string& change, const std::string& next) {
  const double a = head_loss_value(head, found), b = head_loss_value(head, expected);
  require(std::abs(a - b) <= kTolerance * std::max(1.0, std::abs(b)),
          fmt::format("{} the loss from {:.6g} to {:.6g}; {}", change, b, a, next));
  const double difference =
      relative_difference(head_sample(head, found.cond), head_sample(head, expected.cond));
  require(difference <= kTolerance,
          fmt::format("{} the samples by {:.2g}; {}", change, difference, next));
}

// Fails if `call` throws; `what` names the condition.
void require_accepted(const std::string& what, const std::function<void()>& call) {
  std::string text;
  try {
    call();
  } catch (const CheckFailure&) {
    throw;
  } catch (const std::exception& error) {
    text = one_line_message(error);
  }
  require(text.empty(), fmt::format("{} is not accepted: {}", what, text));
}

void masked_tokens_do_not_count(const HeadSubject& subject) {
  // Other values in masked tokens.
  const auto [head, spec] = make_for_tokens(subject);
  const HeadInput input = random_input(spec);
  const at::Tensor mask = input.cond.token_mask;
  HeadInput other = input;
  other.cond.tokens = at::where(mask.unsqueeze(-1), input.cond.tokens, 3 - input.cond.tokens);
  require_same(*head, other, input, "values of tokens whose token_mask is false change",
               "exclude these tokens from attention and from means");
  // More masked tokens.
  const std::int64_t more = 3;
  other.cond.tokens = at::cat({input.cond.tokens, random_tokens(spec, kHeadBatch, more)}, 1);
  other.cond.token_mask = at::cat({mask, at::zeros({kHeadBatch, more}, at::kBool)}, 1);
  require_same(*head, other, input, "additional tokens whose token_mask is false change",
               "divide by the number of tokens that are used");
}

void tokens_vary_in_number(const HeadSubject& subject) {
  const BuiltHead built = make_for_tokens(subject);
  Head& head = *built.head;
  const HeadSpec& spec = built.spec;
  for (const std::int64_t count : {1, 4, 9}) {
    const HeadInput masked = with_tokens(spec, count, /*with_mask=*/true);
    const HeadInput unmasked = with_tokens(spec, count, /*with_mask=*/false);
    for (const HeadInput* input : {&masked, &unmasked}) {
      const std::string what = fmt::format("a condition with {} tokens and {} token_mask", count,
                                           input->cond.token_mask.defined() ? "a" : "an undefined");
      require_accepted(what, [&] {
        require(std::isfinite(head_loss_value(head, *input)),
                what + " gives a loss that is not finite");
        const at::Tensor chunk = head_sample(head, input->cond);
        require(chunk.sizes() == at::IntArrayRef({kHeadBatch, spec.pred_horizon, spec.action_dim}),
                fmt::format("{} gives samples {}; return [batch, pred_horizon, action_dim]", what,
                            c10::str(chunk.sizes())));
        require(chunk.isfinite().all().item<bool>(), what + " gives samples that are not finite");
      });
    }
    require_same(head, unmasked, masked, "an undefined token_mask changes",
                 "use all tokens, as if it were true everywhere");
  }
}

void wrong_tokens_are_refused(const HeadSubject& subject) {
  // A head that ignores tokens need not check them.
  const BuiltHead built = make_for_tokens(subject);
  Head& head = *built.head;
  const HeadSpec& spec = built.spec;
  const HeadInput good = random_input(spec);
  HeadInput bad = good;
  bad.cond.tokens = 3 - good.cond.tokens;
  if (head_loss_value(head, bad) == head_loss_value(head, good)) skip("the head ignores tokens");
  const auto refuses = [&](const std::string& what, const char* argument, const HeadInput& input) {
    require_error(what, {argument}, [&] { head_loss(head, input); });
    require_error(what, {argument}, [&] { head_sample(head, input.cond); });
  };
  bad.cond = good.cond.steps;
  refuses("a condition without its tokens", "tokens", bad);
  bad.cond = good.cond;
  bad.cond.tokens = at::cat({good.cond.tokens, good.cond.tokens}, 2);
  refuses("tokens that are too large", "tokens", bad);
  bad.cond = good.cond;
  bad.cond.token_mask = good.cond.token_mask.narrow(1, 0, 1);
  refuses("a mask for fewer tokens", "token_mask", bad);
}

void works_without_tokens(const HeadSubject& subject) {
  HeadSpec spec = make_head(subject).spec;
  spec.token_dim = 0;
  std::shared_ptr<Head> head;
  try {
    head = make_head(subject, spec);
  } catch (const Error&) {
    skip("the head requires tokens");
  }
  head->eval();
  const HeadInput input = random_input(spec);
  require_accepted("a condition without tokens, for a head created with token_dim 0", [&] {
    require(std::isfinite(head_loss_value(*head, input)), "the loss without tokens is not finite");
    require(head_sample(*head, input.cond).isfinite().all().item<bool>(),
            "samples without tokens are not finite");
  });
}

}  // namespace

const std::vector<Check<HeadSubject>>& head_token_checks() {
  static const std::vector<Check<HeadSubject>> checks = {
      {"masked_tokens_do_not_count", "shorter sentences of a batch are padded",
       masked_tokens_do_not_count},
      {"tokens_vary_in_number", "sentences and sets of cameras have different lengths",
       tokens_vary_in_number},
      {"wrong_tokens_are_refused", "an accidental broadcast would train silently",
       wrong_tokens_are_refused},
      {"works_without_tokens", "an agent without a backbone has none", works_without_tokens},
  };
  return checks;
}

}  // namespace roboimi::testing
