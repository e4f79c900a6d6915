// Compares the GPU pass, with its kernels emulated on the CPU, with the composed operators.
#include "modules/attnres/gpu/gpu_pass.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/autograd.h>

#include <algorithm>

#include "modules/attnres/gpu/usable_launcher.h"
#include "modules/attnres/transformer.h"
#include "roboimi/common/random.h"
#include "tests/error_text.h"
#include "tests/unit/attnres/emulated_gpu.h"

namespace roboimi::attnres {
namespace {

using gpu::EmulatedGpu;

// Odd sizes: neither the width nor a sample is a multiple of a warp.
constexpr std::int64_t kWidth = 48, kLength = 5, kBatch = 4;

at::Tensor random_floats(at::IntArrayRef sizes, std::uint64_t seed) {
  at::Generator generator = make_generator(seed);
  return at::randn(sizes, generator, at::TensorOptions(at::kFloat));
}

Transformer float_transformer(std::int64_t num_kv_heads, Output output, double dropout = 0.0) {
  Transformer net(TransformerOptions{.width = kWidth,
                                     .num_blocks = 2,
                                     .num_heads = 4,
                                     .num_kv_heads = num_kv_heads,
                                     .dropout = dropout,
                                     .output = output});
  at::NoGradGuard no_grad;
  at::Generator generator = make_generator(9);
  for (at::Tensor& parameter : net->parameters()) parameter.normal_(0.0, 0.3, generator);
  return net;
}

struct Results {
  at::Tensor value, tangent;
  std::vector<at::Tensor> gradients;  // of x, then of the parameters
};

template <typename Forward>
Results run(TransformerImpl& net, std::int64_t with_tangent, Forward forward) {
  const at::Tensor x = random_floats({kBatch, kLength, kWidth}, 1).requires_grad_();
  const Dual input{.value = x,
                   .tangent = with_tangent == 0
                                  ? at::Tensor()
                                  : random_floats({with_tangent, kLength, kWidth}, 2)};
  const Dual y = forward(input);
  std::vector<at::Tensor> inputs = net.parameters();
  inputs.insert(inputs.begin(), x);
  return {y.value.detach(), y.tangent,
          torch::autograd::grad({(y.value * random_floats(y.value.sizes(), 5)).sum()}, inputs)};
}

// Relative to the largest number that is expected. The first reader's query has no gradient.
double relative_distance(const at::Tensor& found, const at::Tensor& expected) {
  EXPECT_EQ(found.sizes(), expected.sizes());
  const double scale = std::max(expected.abs().max().item<double>(), 0.1);
  return (found - expected).abs().max().item<double>() / scale;
}

void expect_near(const Results& found, const Results& expected, double tolerance) {
  EXPECT_LT(relative_distance(found.value, expected.value), tolerance);
  ASSERT_EQ(found.tangent.defined(), expected.tangent.defined());
  if (found.tangent.defined()) {
    EXPECT_LT(relative_distance(found.tangent, expected.tangent), tolerance);
  }
  for (std::size_t i = 0; i < expected.gradients.size(); ++i) {
    EXPECT_LT(relative_distance(found.gradients[i], expected.gradients[i]), tolerance)
        << "gradient " << i;
  }
}

void expect_equal(const Results& found, const Results& expected) {
  EXPECT_TRUE(at::equal(found.value, expected.value));
  EXPECT_TRUE(at::equal(found.tangent, expected.tangent));
  for (std::size_t i = 0; i < expected.gradients.size(); ++i) {
    EXPECT_TRUE(at::equal(found.gradients[i], expected.gradients[i])) << "gradient " << i;
  }
}

struct Case {
  std::int64_t num_kv_heads;
  Output output;
  std::int64_t with_tangent;
};

class GpuPass : public testing::TestWithParam<Case> {};

TEST_P(GpuPass, EqualsTheComposedOperators) {
  const Case& c = GetParam();
  Transformer net = float_transformer(c.num_kv_heads, c.output);
  const EmulatedGpu device;
  const Results expected = run(*net, c.with_tangent, [&](const Dual& x) {
    return c.with_tangent == 0 ? Dual{net->forward_composed(x.value), {}}
                               : net->forward_dual_composed(x);
  });
  const auto on_device = [&](bool half) {
    return [&, half](const Dual& x) { return net->forward_dual_on(x, device, half); };
  };
  expect_near(run(*net, c.with_tangent, on_device(false)), expected, 2e-5);
  expect_near(run(*net, c.with_tangent, on_device(true)), expected, 0.15);
}

TEST_P(GpuPass, EqualsTheComposedOperatorsWithDropout) {
  const Case& c = GetParam();
  const EmulatedGpu device;
  for (const bool half : {false, true}) {
    Transformer net = float_transformer(c.num_kv_heads, c.output, half ? 0.05 : 0.5);
    at::Generator generator = make_generator(3);
    const Results expected = run(*net, c.with_tangent, [&](const Dual& x) {
      return c.with_tangent == 0 ? Dual{net->forward_composed(x.value, &generator), {}}
                                 : net->forward_dual_composed(x, &generator);
    });
    at::Generator same = make_generator(3);
    const Results found = run(*net, c.with_tangent, [&](const Dual& x) {
      return net->forward_dual_on(x, device, half, &same);
    });
    expect_near(found, expected, half ? 0.15 : 2e-5);
    EXPECT_TRUE(at::equal(same.get_state(), generator.get_state()));
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, GpuPass,
                         testing::Values(Case{4, Output::kSum, 2}, Case{2, Output::kSum, kBatch},
                                         Case{1, Output::kDepthAttention, 3},
                                         Case{4, Output::kDepthAttention, 0}));

TEST(GpuPassTest, TheOrderOfThreadsChangesNoBit) {
  Transformer net = float_transformer(2, Output::kDepthAttention, 0.1);
  const auto with = [&](EmulatedGpu::Order order) {
    const EmulatedGpu device(order);
    at::Generator generator = make_generator(3);
    return run(*net, 2,
               [&](const Dual& x) { return net->forward_dual_on(x, device, false, &generator); });
  };
  expect_equal(with(EmulatedGpu::Order::kBackward), with(EmulatedGpu::Order::kForward));
}

TEST(GpuPassTest, WithoutGradientsTheValuesAreTheSame) {
  Transformer net = float_transformer(2, Output::kSum);
  const EmulatedGpu device;
  const at::Tensor x = random_floats({kBatch, kLength, kWidth}, 1);
  const at::Tensor with = net->forward_dual_on({x, {}}, device, false).value.detach();
  at::NoGradGuard no_grad;
  EXPECT_TRUE(at::equal(net->forward_dual_on({x, {}}, device, false).value, with));
}

// The float32 results of one kernel are zeros.
class WithAWrongKernel : public EmulatedGpu {
 public:
  void launch(gpu::Kernel kernel, gpu::Grid grid, std::size_t shared_floats,
              const void* arguments) const override {
    EmulatedGpu::launch(kernel, grid, shared_floats, arguments);
    if (kernel != gpu::Kernel::kSwiGluBackward) return;
    const auto& a = *static_cast<const gpu::SwiGluArguments*>(arguments);
    if (!a.half) std::fill_n(static_cast<float*>(a.grad_x), a.value_rows * 2 * a.width, 0.0f);
  }
};

// The attention ignores its dropout mask.
class WithoutAMask : public EmulatedGpu {
 public:
  void launch(gpu::Kernel kernel, gpu::Grid grid, std::size_t shared_floats,
              const void* arguments) const override {
    if (kernel != gpu::Kernel::kAttend) {
      EmulatedGpu::launch(kernel, grid, shared_floats, arguments);
      return;
    }
    auto a = *static_cast<const gpu::AttendArguments*>(arguments);
    a.mask = nullptr;
    EmulatedGpu::launch(kernel, grid, shared_floats, &a);
  }
};

TEST(GpuPassTest, TheCheckBeforeTheFirstUseFindsAWrongKernel) {
  gpu::check_kernels(c10::kCPU, EmulatedGpu());
  EXPECT_THAT(error_text([] { gpu::check_kernels(c10::kCPU, WithAWrongKernel()); }),
              testing::HasSubstr("differ from libtorch's operators"));
  gpu::check_dropout(c10::kCPU, EmulatedGpu());
  gpu::check_kernels(c10::kCPU, WithoutAMask());
  EXPECT_THAT(error_text([] { gpu::check_dropout(c10::kCPU, WithoutAMask()); }),
              testing::HasSubstr("float32, dropout 0.3"));
}

TEST(GpuPassTest, RefusesSizesThatTheKernelsDoNotHave) {
  const EmulatedGpu device;
  const FusedShape shape{.width = 384, .num_heads = 8, .num_kv_heads = 8, .final_reader = false};
  EXPECT_TRUE(gpu::fits(device, shape, 24, 20));
  EXPECT_FALSE(gpu::fits(device, shape, 24, 100));
  EXPECT_FALSE(gpu::fits(device, {.width = 60, .num_heads = 6, .num_kv_heads = 6}, 24, 4));
  EXPECT_FALSE(gpu::fits(device, {.width = 8192, .num_heads = 256, .num_kv_heads = 8}, 24, 4));
}

}  // namespace
}  // namespace roboimi::attnres
