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

// A libtorch built without oneDNN lacks these operators.
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
  return linear->call(x, weight, std::nullopt, "none", c10::List<std::optional<at::Scalar>>(), "");
}

at::Tensor prepack(const at::Tensor& weight, std::int64_t rows) {
  static const auto reorder = find_operator<Reorder>("mkldnn::_reorder_linear_weight");
  if (!reorder || !fits(weight)) return weight;
  return reorder->call(weight.contiguous(), rows);
}

}  // namespace roboimi::attnres
