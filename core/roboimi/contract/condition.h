// The input on which a head conditions its actions: a vector per observation step, and optionally
// tokens.
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
  at::Tensor tokens;      // float [B, N, D] (spatial features, words), or undefined
  at::Tensor token_mask;  // bool [B, N], true: the token is used; undefined: all are used
};

// The sizes of the parts that make up the condition of one observation step; any may be 0.
struct ConditionSpec {
  std::int64_t visual_dim =
      0;                       // Backbone::feature_dim(): joint_output_dim, or output_dim * cameras
  std::int64_t state_dim = 0;  // S
  std::int64_t env_state_dim = 0;  // E, only if the policy may use it
  std::int64_t text_dim = 0;       // of the embedding of a text stream
  std::string visual_origin;       // "joint_output_dim 192" or "output_dim 64 * 3 cameras"

  std::int64_t per_step_cond_dim() const {
    return visual_dim + state_dim + env_state_dim + text_dim;
  }
  // "joint_output_dim 192 + state 16 = 208"
  ROBOIMI_EXPORT std::string sum_text() const;
};

// `backbone` may be nullptr.
ROBOIMI_EXPORT ConditionSpec condition_spec(const Backbone* backbone, std::int64_t state_dim,
                                            std::int64_t env_state_dim);

// Declares a head's option `cond_dim`, which check_cond_dim() checks.
ROBOIMI_EXPORT void declare_cond_dim(OptionFields& head);

// Checks a head's option `cond_dim`, if it is given: throws Error unless it equals
// `per_step_cond_dim`. `sum` shows how that size is made up: ConditionSpec::sum_text().
ROBOIMI_EXPORT void check_cond_dim(const Options& head, std::int64_t per_step_cond_dim,
                                   const std::string& sum);
// The same for a head, which knows only the total.
ROBOIMI_EXPORT void check_cond_dim(const Options& head, const HeadSpec& spec);

// Concatenates features [B, T, V], state [B, T, S] and env_state [B, T, E], all normalized, and the
// embedded text [B, T, text_dim] to [B, T, per_step_cond_dim]. Parts whose size in `spec` is 0 are
// left out. Throws Error if a part is undefined or its size differs from that in `spec`.
ROBOIMI_EXPORT at::Tensor build_cond(const ConditionSpec& spec, const at::Tensor& features,
                                     const at::Tensor& state, const at::Tensor& env_state,
                                     const at::Tensor& text = {});

}  // namespace roboimi
