#include "plugins/diffusion_head/linear.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "modules/attnres/gemm.h"

namespace roboimi::diffusion_head {
namespace {

using attnres::product_of;
using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

struct Product : torch::autograd::Function<Product> {
  // x [rows, in] -> [rows, out]
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias) {
    context->save_for_backward({x, weight});
    return product_of(x, weight).add_(bias);
  }

  static tensor_list backward(AutogradContext* context, const tensor_list& grads) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const at::Tensor grad = grads[0].contiguous();
    return {context->needs_input_grad(0) ? product_of(grad, weight.t()) : at::Tensor(),
            product_of(grad.t(), x.t()), grad.sum(0)};
  }
};

}  // namespace

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  if (!x.is_cpu() || x.scalar_type() != at::kFloat) return at::linear(x, weight, bias);
  auto sizes = x.sizes().vec();
  sizes.back() = weight.size(0);
  const at::Tensor rows = x.reshape({-1, x.size(-1)});
  return Product::apply(rows, weight, bias).view(sizes);
}

at::Tensor linear(const at::Tensor& x, const torch::nn::Linear& layer) {
  return linear(x, layer->weight, layer->bias);
}

}  // namespace roboimi::diffusion_head
