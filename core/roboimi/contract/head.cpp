#include "roboimi/contract/head.h"

#include "roboimi/common/error.h"

namespace roboimi {
namespace {

// Throws Error if `tensor` does not have the given sizes; -1 matches any size.
void check_shape(const char* argument, const at::Tensor& tensor, at::ScalarType dtype,
                 std::vector<std::int64_t> sizes) {
  bool fits = tensor.defined() && tensor.dim() == static_cast<std::int64_t>(sizes.size()) &&
              (dtype == at::kBool ? tensor.scalar_type() == at::kBool : tensor.is_floating_point());
  for (std::size_t i = 0; fits && i < sizes.size(); ++i) {
    fits = sizes[i] < 0 || tensor.size(static_cast<std::int64_t>(i)) == sizes[i];
  }
  if (fits) return;
  throw Error({.what = std::string("head argument '") + argument + "' has the wrong shape or dtype",
               .expected = c10::str(dtype == at::kBool ? "bool " : "floating ",
                                    at::IntArrayRef(sizes), " (-1: any)"),
               .found = tensor.defined() ? c10::str(tensor.scalar_type(), " ", tensor.sizes())
                                         : "an undefined tensor"});
}

}  // namespace

Head::~Head() = default;

bool Head::decays(const std::string&, const at::Tensor& parameter) const {
  return parameter.dim() >= 2;
}

bool Head::clips_actions() const { return false; }

void Head::check_condition(const Condition& condition, std::int64_t batch) const {
  const HeadSpec& s = spec();
  check_shape("cond", condition.steps, at::kFloat, {batch, s.obs_horizon, s.per_step_cond_dim});
  if (s.token_dim == 0) return;
  batch = condition.steps.size(0);
  check_shape("tokens", condition.tokens, at::kFloat, {batch, -1, s.token_dim});
  if (!condition.token_mask.defined()) return;
  check_shape("token_mask", condition.token_mask, at::kBool, {batch, condition.tokens.size(1)});
}

void Head::check_loss_arguments(const at::Tensor& actions, const Condition& condition,
                                const at::Tensor& is_pad) const {
  const HeadSpec& s = spec();
  check_shape("actions", actions, at::kFloat, {-1, s.pred_horizon, s.action_dim});
  check_condition(condition, actions.size(0));
  check_shape("is_pad", is_pad, at::kBool, {actions.size(0), s.pred_horizon});
}

void Head::check_sample_arguments(const Condition& condition, const at::Tensor& prefix) const {
  check_condition(condition, -1);
  if (!prefix.defined()) return;
  if (!continues_prefix()) {
    throw Error({.what = "this head does not accept a prefix of committed actions",
                 .where = name(),
                 .expected = "an undefined tensor",
                 .found = c10::str(prefix.sizes())});
  }
  check_shape("prefix", prefix, at::kFloat, {condition.steps.size(0), -1, spec().action_dim});
  if (prefix.size(1) > spec().pred_horizon) {
    throw Error({.what = "the prefix is longer than a chunk",
                 .where = name(),
                 .expected = c10::str("at most ", spec().pred_horizon, " actions"),
                 .found = c10::str(prefix.size(1))});
  }
}

}  // namespace roboimi
