#include "roboimi/testing/head_samples.h"

#include <ATen/ATen.h>

#include "roboimi/common/error.h"
#include "roboimi/common/random.h"

namespace roboimi::testing {
namespace {

constexpr std::int64_t kTokens = 5;

at::Tensor uniform(at::IntArrayRef sizes, at::ScalarType type, at::Generator& generator) {
  return (2 * at::rand(sizes, generator, at::TensorOptions(at::kDouble)) - 1).to(type);
}

// Marks the first 5, 4 or 3 tokens of each sample as used.
at::Tensor sample_mask() {
  const at::Tensor used = kTokens - at::arange(kHeadBatch).remainder(3);
  return at::arange(kTokens).unsqueeze(0).lt(used.unsqueeze(1));
}

}  // namespace

std::shared_ptr<Head> make_head(const HeadSubject& subject, const HeadSpec& spec,
                                std::uint64_t seed) {
  const SeededConstruction seeded(seed);
  std::shared_ptr<Head> head = subject.make(spec);
  require(head != nullptr, "the factory returns no head");
  return head;
}

BuiltHead make_head(const HeadSubject& subject, std::uint64_t seed) {
  const HeadSpec spec = subject.spec();
  try {
    return {.head = make_head(subject, spec, seed), .spec = spec};
  } catch (const Error&) {
    HeadSpec other = spec;
    other.token_dim = spec.token_dim == 0 ? kTokenDim : 0;
    try {
      return {.head = make_head(subject, other, seed), .spec = other};
    } catch (const Error&) {
    }
    throw;
  }
}

HeadInput random_input(const HeadSpec& spec, at::ScalarType type, std::uint64_t seed) {
  at::Generator generator = make_generator(seed);
  HeadInput input;
  input.actions = uniform({kHeadBatch, spec.pred_horizon, spec.action_dim}, type, generator);
  input.cond = uniform({kHeadBatch, spec.obs_horizon, spec.per_step_cond_dim}, type, generator);
  input.is_pad = at::zeros({kHeadBatch, spec.pred_horizon}, at::kBool);
  if (spec.token_dim > 0) {
    input.cond.tokens = uniform({kHeadBatch, kTokens, spec.token_dim}, type, generator);
    input.cond.token_mask = sample_mask();
  }
  return input;
}

at::Tensor random_tokens(const HeadSpec& spec, std::int64_t batch, std::int64_t count,
                         at::ScalarType type, std::uint64_t seed) {
  at::Generator generator = make_generator(seed);
  return uniform({batch, count, spec.token_dim}, type, generator);
}

Condition rows(const Condition& condition, std::int64_t first, std::int64_t count) {
  const auto of = [&](const at::Tensor& tensor) {
    return tensor.defined() ? tensor.narrow(0, first, count) : tensor;
  };
  return {of(condition.steps), of(condition.tokens), of(condition.token_mask)};
}

LossReport head_loss(Head& head, const HeadInput& input, std::uint64_t seed) {
  at::Generator generator = make_generator(seed);
  return head.loss(input.actions, input.cond, input.is_pad, generator);
}

double head_loss_value(Head& head, const HeadInput& input, std::uint64_t seed) {
  const torch::NoGradGuard no_grad;
  return head_loss(head, input, seed).loss.item<double>();
}

at::Tensor head_sample(Head& head, const Condition& condition, std::uint64_t seed) {
  const torch::NoGradGuard no_grad;
  at::Generator generator = make_generator(seed);
  return head.sample(condition, generator);
}

}  // namespace roboimi::testing
