// x W^T + b, differentiable, with its products on oneDNN: on processors that MKL does not favour a
// training step takes half the time.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/modules/linear.h>

namespace roboimi::diffusion_head {

// x [..., in], weight [out, in], bias [out] -> [..., out]. at::linear for other dtypes than float
// and other devices than the CPU.
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);
at::Tensor linear(const at::Tensor& x, const torch::nn::Linear& layer);

}  // namespace roboimi::diffusion_head
