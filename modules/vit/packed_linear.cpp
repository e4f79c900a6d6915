#include "modules/vit/packed_linear.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/core/List.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <string_view>

namespace roboimi::vit {
namespace {

using OptionalTensor = std::optional<at::Tensor>;
using Scalars = c10::List<std::optional<at::Scalar>>;

// Finds an operator that torch.compile lowers linear layers to. These are registered with the
// dispatcher but have no C++ header.
template <typename Signature>
c10::TypedOperatorHandle<Signature> find_operator(const char* name, const char* overload) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, overload).typed<Signature>();
}

at::Tensor reorder_weight(const at::Tensor& weight, std::int64_t rows) {
  using Signature = at::Tensor(const at::Tensor&, std::optional<std::int64_t>);
  static const auto reorder = find_operator<Signature>("mkldnn::_reorder_linear_weight", "");
  return reorder.call(weight, rows);
}

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                  bool with_gelu) {
  using Signature = at::Tensor(const at::Tensor&, const at::Tensor&, const OptionalTensor&,
                               std::string_view, Scalars, std::optional<std::string_view>);
  static const auto pointwise = find_operator<Signature>("mkldnn::_linear_pointwise", "");
  return pointwise.call(x, weight, bias, with_gelu ? "gelu" : "none", Scalars(), "none");
}

at::Tensor linear_add(const at::Tensor& x, const at::Tensor& residual, const at::Tensor& weight,
                      const at::Tensor& bias) {
  using Signature = at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                               const OptionalTensor&, std::string_view);
  static const auto pointwise = find_operator<Signature>("mkldnn::_linear_pointwise", "binary");
  return pointwise.call(x, residual, weight, bias, "add");
}

bool operators_exist() {
  auto& dispatcher = c10::Dispatcher::singleton();
  return dispatcher.findSchema({"mkldnn::_linear_pointwise", ""}).has_value() &&
         dispatcher.findSchema({"mkldnn::_linear_pointwise", "binary"}).has_value() &&
         dispatcher.findSchema({"mkldnn::_reorder_linear_weight", ""}).has_value();
}

bool can_pack(const at::Tensor& weight, at::ScalarType dtype) {
  return dtype != at::kDouble && weight.device().is_cpu() && at::hasMKLDNN() &&
         at::globalContext().userEnabledMkldnn() && operators_exist();
}

}  // namespace

PackedLinear::PackedLinear(const at::Tensor& weight, const at::Tensor& bias, at::ScalarType dtype,
                           std::int64_t expected_rows)
    : weight_(weight.detach().to(dtype, /*non_blocking=*/false, /*copy=*/true).contiguous()),
      bias_(bias.detach().to(dtype, /*non_blocking=*/false, /*copy=*/true).contiguous()),
      packed_(can_pack(weight, dtype)) {
  if (packed_) weight_ = reorder_weight(weight_, expected_rows);
}

at::Tensor PackedLinear::forward(const at::Tensor& x, Activation activation) const {
  const bool with_gelu = activation == Activation::kGelu;
  if (packed_) return linear(x, weight_, bias_, with_gelu);
  const at::Tensor y = at::linear(x, weight_, bias_);
  return with_gelu ? at::gelu(y) : y;
}

at::Tensor PackedLinear::forward_add(const at::Tensor& x, const at::Tensor& residual) const {
  if (packed_) return linear_add(x, residual, weight_, bias_);
  return at::linear(x, weight_, bias_).add_(residual);
}

}  // namespace roboimi::vit
