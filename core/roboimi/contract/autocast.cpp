#include "roboimi/contract/autocast.h"

#include <ATen/Context.h>
#include <ATen/autocast_mode.h>

#include "roboimi/common/bfloat16.h"
#include "roboimi/common/log.h"

namespace roboimi {

Autocast::Autocast(c10::Device device, bool enabled)
    : device_(device.type()),
      was_enabled_(at::autocast::is_autocast_enabled(device_)),
      old_dtype_(at::autocast::get_autocast_dtype(device_)) {
  at::autocast::set_autocast_enabled(device_, enabled);
  at::autocast::set_autocast_dtype(device_, at::kBFloat16);
  at::autocast::increment_nesting();
}

Autocast::~Autocast() {
  // Autocast caches cast weights while it is active; they are stale once the weights change.
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(device_, was_enabled_);
  at::autocast::set_autocast_dtype(device_, old_dtype_);
}

void set_tf32(c10::Device device, bool enabled) {
  if (!device.is_cuda()) return;
  at::globalContext().setAllowTF32CuBLAS(enabled);
  at::globalContext().setAllowTF32CuDNN(enabled);
}

void warn_where_autocast_is_slow(c10::Device device) {
  if (!device.is_cpu() || cpu_bfloat16().works) return;
  logger().warn("mixed precision is slow on this CPU ({}): train.precision=fp32 is faster here",
                cpu_bfloat16().why_not);
}

}  // namespace roboimi
