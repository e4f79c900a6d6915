#include "modules/attnres/gpu/usable_launcher.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/autograd.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "modules/attnres/transformer.h"
#include "roboimi/common/checked_form.h"
#include "roboimi/common/error.h"
#include "roboimi/common/log.h"
#include "roboimi/common/random.h"
#include "roboimi/contract/autocast.h"

namespace roboimi::attnres::gpu {
namespace {

// Wrong kernels differ by about 1; products in TF32 or bfloat16 by about 0.005 and 0.05.
constexpr double kTolerance = 0.2;

struct Results {
  Dual y;
  std::vector<at::Tensor> gradients;
};

using Forward = std::function<Dual(const Dual&, at::Generator*)>;

// Every call draws the same dropout masks.
Results run(TransformerImpl& net, const Dual& x, const at::Tensor& grad, const Forward& forward) {
  const at::Tensor value = x.value.detach().clone().requires_grad_();
  at::Generator generator = make_generator(2, value.device());
  Results results{.y = forward({value, x.tangent}, &generator)};
  std::vector<at::Tensor> inputs = net.parameters();
  inputs.push_back(value);
  results.gradients = torch::autograd::grad({results.y.value}, inputs, {grad});
  return results;
}

// The largest difference, relative to the largest expected value. The scale is at least 0.1,
// because the first reader's query has no gradient except for noise.
double difference_of(const at::Tensor& found, const at::Tensor& expected) {
  const double scale = expected.detach().abs().max().item<double>();
  return (found - expected).detach().abs().max().item<double>() / std::max(scale, 0.1);
}

double largest_difference(const Results& found, const Results& expected) {
  std::vector<double> all = {difference_of(found.y.value, expected.y.value),
                             difference_of(found.y.tangent, expected.y.tangent)};
  for (std::size_t i = 0; i < found.gradients.size(); ++i) {
    all.push_back(difference_of(found.gradients[i], expected.gradients[i]));
  }
  // Comparisons with NaN are always false, so replace it with infinity.
  for (double& each : all)
    each = std::isfinite(each) ? each : std::numeric_limits<double>::infinity();
  return *std::max_element(all.begin(), all.end());
}

struct CheckedLauncher {
  std::unique_ptr<Launcher> launcher = nullptr;  // null: not usable
  bool drops = false;                            // dropout is usable, too
};

CheckedLauncher try_device(c10::Device device) {
  CheckedLauncher checked;
  try {
    std::unique_ptr<Launcher> launcher = make_cuda_launcher(device);
    check_kernels(device, *launcher);
    checked.launcher = std::move(launcher);
    check_dropout(device, *checked.launcher);
    checked.drops = true;
    logger().debug(
        "the GPU kernels of the attention-residual transformer agree with libtorch's "
        "operators on {}",
        device.str());
  } catch (const std::exception& error) {
    logger().warn("{} on {} use libtorch's operators, which are several times slower: {}",
                  checked.launcher ? "training steps with dropout" : "training and inference",
                  device.str(), error.what());
  }
  return checked;
}

// Compares the results of a small network with random weights, whose sizes are not multiples of a
// warp or a block, in both precisions.
void check_network(c10::Device device, const Launcher& launcher, Output output, double dropout) {
  // Random weights and inputs.
  at::Generator generator = make_generator(1);
  const auto random = [&](at::IntArrayRef sizes) {
    return at::randn(sizes, generator, at::TensorOptions(at::kFloat)).to(device);
  };
  Transformer net(TransformerOptions{.width = 72,
                                     .num_blocks = 2,
                                     .num_heads = 6,
                                     .num_kv_heads = 3,
                                     .dropout = dropout,
                                     .output = output});
  net->to(device);
  {
    const at::NoGradGuard no_grad;
    for (at::Tensor& parameter : net->parameters()) {
      parameter.copy_(random(parameter.sizes()) * 0.3);
    }
  }
  const Dual x{.value = random({5, 7, 72}), .tangent = random({2, 7, 72})};
  const at::Tensor grad = random({5, 7, 72});

  const Results expected = run(*net, x, grad, [&](const Dual& d, at::Generator* masks) {
    return net->forward_dual_composed(d, masks);
  });
  for (const bool half : {false, true}) {
    const Results found = run(*net, x, grad, [&](const Dual& d, at::Generator* masks) {
      return net->forward_dual_on(d, launcher, half, masks);
    });
    const double difference = largest_difference(found, expected);
    if (difference <= kTolerance) continue;
    throw Error({.what = "the GPU kernels of the attention-residual transformer differ from "
                         "libtorch's operators",
                 .where = fmt::format("{}, {}, dropout {}", device.str(),
                                      half ? "bfloat16" : "float32", dropout),
                 .expected = fmt::format("a relative difference of at most {}", kTolerance),
                 .found = fmt::format("{:.3g}", difference)});
  }
}

}  // namespace

void check_kernels(c10::Device device, const Launcher& launcher) {
  const at::AutoGradMode with_gradients(true);
  const Autocast full_precision(device, false);
  for (const Output output : {Output::kSum, Output::kDepthAttention}) {
    check_network(device, launcher, output, 0.0);
  }
}

void check_dropout(c10::Device device, const Launcher& launcher) {
  const at::AutoGradMode with_gradients(true);
  const Autocast full_precision(device, false);
  check_network(device, launcher, Output::kDepthAttention, 0.3);
}

const Launcher* usable_launcher(c10::Device device, bool with_dropout) {
  static const bool off = !gpu_forms_are_enabled();
  if (off || !device.is_cuda()) return nullptr;
  static std::mutex mutex;
  static std::map<c10::DeviceIndex, CheckedLauncher> launchers;
  const std::lock_guard lock(mutex);
  auto known = launchers.find(device.index());
  if (known == launchers.end()) {
    try {
      if (is_capturing(device)) return nullptr;
    } catch (const std::exception&) {
      // try_device() reports what is missing.
    }
    known = launchers.emplace(device.index(), try_device(device)).first;
  }
  const CheckedLauncher& checked = known->second;
  return with_dropout && !checked.drops ? nullptr : checked.launcher.get();
}

}  // namespace roboimi::attnres::gpu
