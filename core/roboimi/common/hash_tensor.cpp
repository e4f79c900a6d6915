// Apart from hash.cpp, which roboimi_plugin_checksum uses without libtorch's operators.
#include <ATen/ATen.h>

#include "roboimi/common/hash.h"

namespace roboimi {

Sha256& Sha256::update_tensor(const at::Tensor& tensor) {
  const at::Tensor bytes = tensor.detach().to(at::kCPU).contiguous();
  update_text(c10::toString(bytes.scalar_type()));
  for (const std::int64_t size : bytes.sizes()) update(&size, sizeof(size));
  return update(bytes.data_ptr(), bytes.nbytes());
}

}  // namespace roboimi
