#include "roboimi/contract/head.h"

#include "roboimi/common/error.h"

namespace roboimi {
namespace {

// `sizes` with -1 for any.
void check_shape(const char* argument, const at::Tensor& tensor, at::ScalarType dtype,
                 std::vector<std::int64_t> sizes) {
  bool fits = tensor.defined() && tensor.dim() == static_cast<std::int64_t>(sizes.size()) &&
              (dtype == at::kBool ? tensor.scalar_type() == at::kBool : tensor.is_floating_point());
  for (std::size_t i = 0; fits && i < sizes.size(); ++i) {
    fits = sizes[i] < 0 || tensor.size(static_cast<std::int64_t>(i)) == sizes[i];
  }
  if (fits) return;
  throw Error({.what = std::string("head argument '") + argument + "' does not fit",
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

void Head::check_loss_arguments(const at::Tensor& actions, const at::Tensor& cond,
                                const at::Tensor& is_pad) const {
  const HeadSpec& s = spec();
  check_shape("actions", actions, at::kFloat, {-1, s.pred_horizon, s.action_dim});
  check_shape("cond", cond, at::kFloat, {actions.size(0), s.obs_horizon, s.per_step_cond_dim});
  check_shape("is_pad", is_pad, at::kBool, {actions.size(0), s.pred_horizon});
}

void Head::check_sample_arguments(const at::Tensor& cond) const {
  check_shape("cond", cond, at::kFloat, {-1, spec().obs_horizon, spec().per_step_cond_dim});
}

}  // namespace roboimi
