// Whether this CPU can compute matrix products in bfloat16.
//
//   if (options.precision == at::kBFloat16) require_cpu_bfloat16("agent.backbone.precision");
//   const bool rounds_weights = cpu_bfloat16().is_native;   // for a precision of `auto`
//
// The answer is oneDNN's, which libtorch computes with: it may have no kernels for the CPU, be held
// to older instructions by ONEDNN_MAX_CPU_ISA, or be missing from libtorch. One small product is
// tried, once in a process.
#pragma once

#include <string>

#include "roboimi/common/export.h"

namespace roboimi {

struct CpuBfloat16 {
  bool works = false;
  bool is_native = false;  // by the CPU's own instructions, so that it is faster than float32
  std::string why_not;     // what oneDNN said; empty where it works
};

ROBOIMI_EXPORT const CpuBfloat16& cpu_bfloat16();

// Error that names `option`, "agent.backbone.precision" for one, where it does not work.
ROBOIMI_EXPORT void require_cpu_bfloat16(const std::string& option);

}  // namespace roboimi
