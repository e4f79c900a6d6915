// Fuzzes the pickle reader, with storages of 64 bytes: any input must give an Error or tensors that
// are within their storages.
#include <ATen/ATen.h>

#include "roboimi/common/error.h"
#include "roboimi/io/unpickler.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto load = [](const roboimi::StorageClaim&) { return at::zeros({64}, at::kByte); };
  try {
    const roboimi::PickleGraph graph = roboimi::unpickle({data, size}, load, 1 << 20, "fuzz");
    for (const roboimi::PickleNode& node : graph.nodes) {
      roboimi::describe(node);
      if (node.is(roboimi::PickleNode::Kind::kTensor)) node.tensor.contiguous();
    }
  } catch (const roboimi::Error&) {
  }
  return 0;
}
