// Support of this CPU for matrix products in bfloat16.
//
//   if (options.precision == at::kBFloat16) require_cpu_bfloat16("agent.backbone.precision");
//   const bool use_bfloat16 = cpu_bfloat16().is_native;   // for the precision `auto`
//
// libtorch computes these products with oneDNN, which may have no kernels for the CPU, may be
// limited to older instructions by ONEDNN_MAX_CPU_ISA, or may be missing from libtorch. To find
// out, a small product is computed once per process.
#pragma once

#include <string>

#include "roboimi/common/export.h"

namespace roboimi {

struct CpuBfloat16 {
  bool works = false;
  bool is_native = false;  // the CPU has instructions that make bfloat16 fast
  std::string why_not;     // why it does not work; else empty
};

ROBOIMI_EXPORT const CpuBfloat16& cpu_bfloat16();

// Throws Error if bfloat16 does not work. `option` is named in it: "agent.backbone.precision".
ROBOIMI_EXPORT void require_cpu_bfloat16(const std::string& option);

}  // namespace roboimi
