// Heads under test and their sample inputs, shared by the head checks. Internal; not installed.
#pragma once

#include <cstdint>
#include <memory>

#include "roboimi/common/export.h"
#include "roboimi/contract/head.h"
#include "roboimi/testing/head_checks.h"

namespace roboimi::testing {

inline constexpr std::int64_t kHeadBatch = 4;
inline constexpr std::int64_t kTokenDim = 6;

// A head, and the spec that was passed to its factory.
struct BuiltHead {
  std::shared_ptr<Head> head;
  HeadSpec spec;
};

// Creates a head for this spec.
std::shared_ptr<Head> make_head(const HeadSubject& subject, const HeadSpec& spec,
                                std::uint64_t seed = 1);
// Creates a head for subject.spec(). If the factory throws Error, tries the spec with tokens
// instead of without, and conversely: some heads need tokens, others reject them. Throws the first
// Error if both fail.
ROBOIMI_EXPORT BuiltHead make_head(const HeadSubject& subject, std::uint64_t seed = 1);

// The arguments of loss(), for a batch of kHeadBatch. Values are uniform in [-1, 1].
struct HeadInput {
  at::Tensor actions;
  Condition cond;  // tokens only if the spec has them; the mask is false for some of them
  at::Tensor is_pad;
};
HeadInput random_input(const HeadSpec& spec, at::ScalarType type = at::kFloat,
                       std::uint64_t seed = 2);
// Tokens [batch, count, spec.token_dim], uniform in [-1, 1].
at::Tensor random_tokens(const HeadSpec& spec, std::int64_t batch, std::int64_t count,
                         at::ScalarType type = at::kFloat, std::uint64_t seed = 8);
// `count` samples of a batch, from `first`.
Condition rows(const Condition& condition, std::int64_t first, std::int64_t count);

// The results for a seed of the random numbers; values and samples are computed without gradients.
LossReport head_loss(Head& head, const HeadInput& input, std::uint64_t seed = 3);
double head_loss_value(Head& head, const HeadInput& input, std::uint64_t seed = 3);
at::Tensor head_sample(Head& head, const Condition& condition, std::uint64_t seed = 4);

}  // namespace roboimi::testing
