#include "modules/collective_call/collective_call.h"

#include <fmt/format.h>

#include "roboimi/common/error.h"

namespace roboimi {

CallSignature CollectiveCall::signature() const {
  const std::array<std::int64_t, kCallFields> fields = {static_cast<std::int64_t>(kind),
                                                        static_cast<std::int64_t>(dtype), numel,
                                                        root, static_cast<std::int64_t>(device)};
  CallSignature both{};
  for (std::size_t i = 0; i < kCallFields; ++i) {
    both[i] = fields[i];
    both[kCallFields + i] = -fields[i];
  }
  return both;
}

std::string CollectiveCall::describe() const {
  std::string tensor = fmt::format("{} x {}", numel, at::toString(dtype));
  if (device != c10::kCPU) tensor += " on " + c10::DeviceTypeName(device, /*lower_case=*/true);
  switch (kind) {
    case CollectiveKind::kAllReduce:
      return "all_reduce of " + tensor;
    case CollectiveKind::kBroadcast:
      return fmt::format("broadcast of {} from rank {}", tensor, root);
    case CollectiveKind::kBarrier:
      return "barrier";
    case CollectiveKind::kFinish:
      return "finish";
  }
  return "unknown";
}

// A value x is the same in all processes if and only if max(x) = -max(-x).
void fail_to_sum(at::ScalarType dtype, const std::string& where) {
  throw Error({.what = "cannot sum tensors of this type over the processes",
               .where = where,
               .expected = "float32, float64, float16, bfloat16, int64 or uint8",
               .found = at::toString(dtype),
               .next = "convert the tensor first"});
}

void require_same_call(const CollectiveCall& call, const CallSignature& largest,
                       const std::string& where) {
  for (std::size_t i = 0; i < kCallFields; ++i) {
    if (largest[i] == -largest[kCallFields + i]) continue;
    throw Error(
        {.what = "the training processes are out of step",
         .where = where,
         .expected = "the same call in all of them",
         .found = call.describe() + " here, and a different call in another process",
         .next =
             "an agent must make the same calls in every process; see the errors of the others"});
  }
}

}  // namespace roboimi
