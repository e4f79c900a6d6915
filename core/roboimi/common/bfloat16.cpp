#include "roboimi/common/bfloat16.h"

#include <ATen/ATen.h>
#include <ATen/core/List.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <fmt/format.h>

#include <cstdlib>
#include <optional>

#include "roboimi/common/error.h"

namespace roboimi {
namespace {

constexpr std::int64_t kRows = 8, kWidth = 32;

// The limit on oneDNN's instructions; empty if there is none.
std::string isa_limit() {
  const char* const limit = std::getenv("ONEDNN_MAX_CPU_ISA");
  return limit == nullptr ? "" : limit;
}

bool has_instructions() {
#if defined(__x86_64__)
  const std::string limit = isa_limit();
  const bool is_limited = limit == "AVX512_CORE" || limit == "AVX512_CORE_VNNI";
  return __builtin_cpu_supports("avx512bf16") && !is_limited;
#else
  return false;
#endif
}

// Multiplies matrices with the operators that torch.compile uses for linear layers. They have no
// C++ header.
at::Tensor product_of_ones() {
  using Reorder = at::Tensor(const at::Tensor&, std::optional<std::int64_t>);
  using Linear = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                            c10::string_view, c10::List<std::optional<at::Scalar>>,
                            std::optional<c10::string_view>);
  auto& dispatcher = c10::Dispatcher::singleton();
  const auto reorder = dispatcher.findSchema({"mkldnn::_reorder_linear_weight", ""});
  const auto linear = dispatcher.findSchema({"mkldnn::_linear_pointwise", ""});
  if (!at::globalContext().hasMKLDNN() || !reorder || !linear) {
    throw Error("libtorch is built without oneDNN");
  }
  const at::Tensor weight = at::ones({kWidth, kWidth}, at::kBFloat16);
  const at::Tensor packed = reorder->typed<Reorder>().call(weight, kRows);
  return linear->typed<Linear>().call(at::ones({kRows, kWidth}, at::kBFloat16), packed,
                                      std::nullopt, "none", c10::List<std::optional<at::Scalar>>(),
                                      "");
}

CpuBfloat16 try_product() {
  const at::NoGradGuard no_grad;
  CpuBfloat16 found;
  try {
    const at::Tensor product = product_of_ones();
    found.works = at::equal(product, at::full_like(product, kWidth));
    if (!found.works) found.why_not = "a test product has a wrong result";
  } catch (const std::exception& error) {
    found.why_not = one_line_message(error);
  }
  if (!found.works && !isa_limit().empty()) {
    found.why_not += fmt::format(" (ONEDNN_MAX_CPU_ISA is {})", isa_limit());
  }
  found.is_native = found.works && has_instructions();
  return found;
}

}  // namespace

const CpuBfloat16& cpu_bfloat16() {
  static const CpuBfloat16 found = try_product();
  return found;
}

void require_cpu_bfloat16(const std::string& option) {
  if (cpu_bfloat16().works) return;
  throw Error({.what = "this CPU cannot compute in bfloat16",
               .where = option,
               .expected = "a CPU that oneDNN has bfloat16 kernels for (AVX-512)",
               .found = cpu_bfloat16().why_not,
               .next = fmt::format("set {}=fp32", option)});
}

}  // namespace roboimi
