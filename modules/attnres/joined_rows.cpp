#include "modules/attnres/joined_rows.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <numeric>

namespace roboimi::attnres {
namespace {

using torch::autograd::AutogradContext;
using Variables = torch::autograd::variable_list;

std::int64_t num_rows(at::TensorList parts) {
  return std::accumulate(
      parts.begin(), parts.end(), std::int64_t{0},
      [](std::int64_t sum, const at::Tensor& part) { return sum + part.size(0); });
}

bool are_neighbors(const std::vector<at::Tensor>& parts) {
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const at::Tensor& part = parts[i];
    if (!part.is_contiguous() || part.dim() != 2) return false;
    if (i == 0) continue;
    const at::Tensor& before = parts[i - 1];
    const bool follows = part.storage_offset() == before.storage_offset() + before.numel();
    if (!part.is_alias_of(before) || !follows || part.size(1) != before.size(1)) return false;
  }
  return true;
}

at::Tensor view_of(at::TensorList parts) {
  const std::int64_t width = parts.front().size(1);
  return parts.front().detach().as_strided({num_rows(parts), width}, {width, 1});
}

class ViewOfNeighbors : public torch::autograd::Function<ViewOfNeighbors> {
 public:
  static at::Tensor forward(AutogradContext* context, at::TensorList parts) {
    std::vector<std::int64_t> sizes;
    for (const at::Tensor& part : parts) sizes.push_back(part.size(0));
    context->saved_data["sizes"] = sizes;
    return view_of(parts);
  }

  static Variables backward(AutogradContext* context, Variables grads) {
    const auto sizes = context->saved_data["sizes"].toIntVector();
    return grads[0].split_with_sizes(sizes, 0);
  }
};

}  // namespace

at::Tensor joined_rows(const std::vector<at::Tensor>& parts) {
  if (!are_neighbors(parts)) return at::cat(parts);
  if (!at::GradMode::is_enabled()) return view_of(parts);
  return ViewOfNeighbors::apply(at::TensorList(parts));
}

}  // namespace roboimi::attnres
