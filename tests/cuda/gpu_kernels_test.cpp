// Tests of the attention-residual GPU kernels on a device, at the size of the default head.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/autograd.h>
#include <torch/cuda.h>

#include <algorithm>

#include "modules/attnres/gpu/usable_launcher.h"
#include "modules/attnres/transformer.h"
#include "roboimi/common/random.h"

namespace roboimi::attnres {
namespace {

at::Tensor random(at::IntArrayRef sizes, std::uint64_t seed) {
  at::Generator generator = make_generator(seed);
  return at::randn(sizes, generator, at::TensorOptions(at::kFloat)).to(at::kCUDA);
}

double distance(const at::Tensor& found, const at::Tensor& expected) {
  const double scale = std::max(expected.abs().max().item<double>(), 0.1);
  return (found - expected).abs().max().item<double>() / scale;
}

struct Results {
  Dual y;
  std::vector<at::Tensor> gradients;
};

template <typename Forward>
Results run(TransformerImpl& net, const Dual& x, Forward forward) {
  const Dual input{.value = x.value.detach().clone().requires_grad_(), .tangent = x.tangent};
  at::Generator masks = make_generator(3, c10::Device(at::kCUDA, 0));
  Results results{.y = forward(input, &masks)};
  std::vector<at::Tensor> inputs = net.parameters();
  inputs.insert(inputs.begin(), input.value);
  const at::Tensor weights = random(x.value.sizes(), 5);
  results.gradients = torch::autograd::grad({(results.y.value * weights).sum()}, inputs);
  return results;
}

// A transformer with weights about as large as after a head's first steps. With larger weights, the
// 24 sublayers amplify the rounding of the products.
Transformer make_transformer(double dropout) {
  Transformer net(TransformerOptions{.num_kv_heads = 4, .dropout = dropout});
  const at::NoGradGuard no_grad;
  at::Generator generator = make_generator(9);
  for (auto& item : net->named_parameters()) {
    at::Tensor& parameter = item.value();
    if (parameter.dim() == 2) parameter.normal_(0.0, 0.02, generator);
    if (item.key().ends_with("pseudo_query")) parameter.normal_(0.0, 0.02, generator);
  }
  net->to(c10::Device(at::kCUDA, 0));
  return net;
}

TEST(GpuKernels, EqualTheComposedOperatorsAtFullSize) {
  if (!torch::cuda::is_available()) GTEST_SKIP() << "no GPU";
  const gpu::Launcher* launcher = gpu::usable_launcher(c10::Device(at::kCUDA, 0));
  ASSERT_NE(launcher, nullptr);
  const Dual x{.value = random({64, 20, 384}, 1), .tangent = random({32, 20, 384}, 2)};
  for (const double dropout : {0.0, 0.05}) {
    Transformer net = make_transformer(dropout);
    const Results expected = run(*net, x, [&](const Dual& d, at::Generator* masks) {
      return net->forward_dual_composed(d, masks);
    });
    for (const bool half : {false, true}) {
      SCOPED_TRACE(::testing::Message() << "dropout " << dropout << (half ? " in bfloat16" : ""));
      const Results found = run(*net, x, [&](const Dual& d, at::Generator* masks) {
        return net->forward_dual_on(d, *launcher, half, masks);
      });
      const double tolerance = half ? 0.1 : 1e-3;
      EXPECT_LT(distance(found.y.value, expected.y.value), tolerance);
      EXPECT_LT(distance(found.y.tangent, expected.y.tangent), tolerance);
      for (std::size_t i = 0; i < expected.gradients.size(); ++i) {
        EXPECT_LT(distance(found.gradients[i], expected.gradients[i]), tolerance)
            << "gradient " << i;
      }
    }
  }
}

}  // namespace
}  // namespace roboimi::attnres
