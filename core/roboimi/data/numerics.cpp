#include "roboimi/data/numerics.h"

#include <ATen/Context.h>
#include <ATen/Version.h>
#include <ATen/cpu/Utils.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/version.h>

#include <array>
#include <cstdlib>
#include <set>
#include <string_view>

namespace roboimi {
namespace {

// The instruction sets by which oneDNN, MKL and libtorch choose their kernels.
std::set<std::string> vector_instructions() {
  static constexpr std::array<std::string_view, 6> kFamilies = {"avx", "amx",  "fma",
                                                                "sve", "neon", "bf16"};
  std::set<std::string> found;
  for (const auto& [name, value] : at::cpu::get_cpu_capabilities()) {
    if (!value.isBool() || !value.toBool()) continue;
    for (const std::string_view family : kFamilies) {
      if (name.starts_with(family)) found.insert(name);
    }
  }
  return found;
}

// The limit that the user has set on the instructions of oneDNN.
std::string instruction_limit() {
  for (const char* name : {"ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"}) {
    if (const char* const value = std::getenv(name)) return value;
  }
  return "none";
}

std::string precision(at::Float32Backend backend) {
  const at::Context& context = at::globalContext();
  return fmt::format("{} {}",
                     at::precision2str(context.float32Precision(backend, at::Float32Op::CONV)),
                     at::precision2str(context.float32Precision(backend, at::Float32Op::MATMUL)));
}

}  // namespace

std::string numerics_of(c10::Device device) {
  const at::Context& context = at::globalContext();
  if (!device.is_cpu()) {
    const bool has_cudnn = device.is_cuda() && context.hasCUDA() && context.hasCuDNN();
    return fmt::format("{} torch {} cudnn {} float32 {} tf32 {}",
                       c10::DeviceTypeName(device.type()), TORCH_VERSION,
                       has_cudnn ? context.versionCuDNN() : 0, precision(at::Float32Backend::CUDA),
                       context.allowTF32CuBLAS());
  }
  return fmt::format("cpu torch {} {} {} limit {} onednn {} float32 {}", TORCH_VERSION,
                     at::get_cpu_capability(), fmt::join(vector_instructions(), " "),
                     instruction_limit(), context.userEnabledMkldnn(),
                     precision(at::Float32Backend::MKLDNN));
}

}  // namespace roboimi
