// What an agent gives its head to go by: numbers for each observation step, and optionally tokens.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "roboimi/common/export.h"
#include "roboimi/config/schema.h"

namespace roboimi {

class Backbone;
class OptionFields;
struct HeadSpec;

// The condition of a batch. A tensor alone converts to one without tokens.
struct Condition {
  Condition() = default;
  Condition(at::Tensor per_step) : steps(std::move(per_step)) {}  // NOLINT: implicit
  Condition(at::Tensor per_step, at::Tensor token_rows, at::Tensor mask = {})
      : steps(std::move(per_step)), tokens(std::move(token_rows)), token_mask(std::move(mask)) {}

  at::Tensor steps;       // float [B, T, C]
  at::Tensor tokens;      // float [B, N, D], or undefined: spatial features, words
  at::Tensor token_mask;  // bool [B, N], true = counts; undefined: all tokens count
};

// What one observation step's condition is made of; any part may be 0.
struct ConditionSpec {
  std::int64_t visual_dim =
      0;                       // Backbone::feature_dim(): joint_output_dim, or output_dim * cameras
  std::int64_t state_dim = 0;  // S
  std::int64_t env_state_dim = 0;  // E, only when the policy may see it
  std::string visual_origin;       // "joint_output_dim 192" or "output_dim 64 * 3 cameras"

  std::int64_t per_step_cond_dim() const { return visual_dim + state_dim + env_state_dim; }
  // "joint_output_dim 192 + state 16 = 208"
  ROBOIMI_EXPORT std::string sum_text() const;
};

// `backbone` may be nullptr.
ROBOIMI_EXPORT ConditionSpec condition_spec(const Backbone* backbone, std::int64_t state_dim,
                                            std::int64_t env_state_dim);

// Declares a head's option `cond_dim`, which check_cond_dim() compares.
ROBOIMI_EXPORT void declare_cond_dim(OptionFields& head);

// Checks a head's option `cond_dim`, where it is given: Error unless it equals the numbers of a
// condition step. `sum` shows where these come from: ConditionSpec::sum_text().
ROBOIMI_EXPORT void check_cond_dim(const Options& head, std::int64_t per_step_cond_dim,
                                   const std::string& sum);
// The same for a head, which knows the sum alone.
ROBOIMI_EXPORT void check_cond_dim(const Options& head, const HeadSpec& spec);

// features [B, T, V], state [B, T, S], env_state [B, T, E]; undefined parts are left out. All
// normalised. Returns [B, T, per_step_cond_dim].
ROBOIMI_EXPORT at::Tensor build_cond(const ConditionSpec& spec, const at::Tensor& features,
                                     const at::Tensor& state, const at::Tensor& env_state);

}  // namespace roboimi
