#include "modules/attnres/gemm.h"

#include <ATen/ATen.h>
#include <ATen/core/List.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <optional>

namespace roboimi::attnres {
namespace {

using Linear = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                          c10::string_view, c10::List<std::optional<at::Scalar>>,
                          std::optional<c10::string_view>);
using Reorder = at::Tensor(const at::Tensor&, std::optional<std::int64_t>);

// Returns nullopt in a libtorch built without oneDNN, which does not have these operators.
template <typename Signature>
std::optional<c10::TypedOperatorHandle<Signature>> find_operator(const char* name) {
  const auto handle = c10::Dispatcher::singleton().findSchema({name, ""});
  if (!handle || !at::globalContext().hasMKLDNN()) return std::nullopt;
  return handle->typed<Signature>();
}

bool fits(const at::Tensor& x) { return x.is_cpu() && x.scalar_type() == at::kFloat; }

}  // namespace

at::Tensor product_of(const at::Tensor& x, const at::Tensor& weight) {
  static const auto linear = find_operator<Linear>("mkldnn::_linear_pointwise");
  if (!linear || !fits(x)) return at::mm(x, weight.t());
  const auto product = [&](const at::Tensor& input) {
    return linear->call(input, weight, std::nullopt, "none", c10::List<std::optional<at::Scalar>>(),
                        "");
  };
  if (weight.scalar_type() != at::kBFloat16) return product(x);
  return product(x.to(at::kBFloat16)).to(x.scalar_type());
}

at::Tensor prepack(const at::Tensor& weight, std::int64_t rows, bool half_precision) {
  static const auto reorder = find_operator<Reorder>("mkldnn::_reorder_linear_weight");
  if (!reorder || !fits(weight)) return weight;
  const at::Tensor rounded = half_precision ? weight.to(at::kBFloat16) : weight.contiguous();
  return reorder->call(rounded, rows);
}

}  // namespace roboimi::attnres
