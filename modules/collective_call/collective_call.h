// A collective call that a process is about to make. Communicators compare it between the processes
// before data is exchanged, because processes that make different calls would hang or mix their
// data.
//
//   const CollectiveCall call{.kind = CollectiveKind::kAllReduce, .dtype = at::kFloat, .numel = 8};
//   CallSignature largest = call.signature();
//   // Replace each number by its maximum over the processes, then:
//   require_same_call(call, largest, "mpi_communicator, rank 1 of 2");
#pragma once

#include <c10/core/DeviceType.h>
#include <c10/core/ScalarType.h>

#include <array>
#include <cstdint>
#include <string>

namespace roboimi {

enum class CollectiveKind : std::int64_t { kAllReduce, kBroadcast, kBarrier, kFinish };

constexpr std::size_t kCallFields = 5;
// Each field and its negative.
using CallSignature = std::array<std::int64_t, 2 * kCallFields>;

struct CollectiveCall {
  CollectiveKind kind = CollectiveKind::kBarrier;
  at::ScalarType dtype = at::kByte;
  std::int64_t numel = 0;
  std::int64_t root = 0;
  // Where the data is exchanged, for communicators that can do so between GPUs.
  c10::DeviceType device = c10::kCPU;

  CallSignature signature() const;
  std::string describe() const;
};

// Throws the Error, located at `where`, that tensors of this dtype cannot be summed.
[[noreturn]] void fail_to_sum(at::ScalarType dtype, const std::string& where);

// Throws Error, located at `where`, unless all processes make the same call. `largest` holds the
// maximum over the processes of each number of their signatures.
void require_same_call(const CollectiveCall& call, const CallSignature& largest,
                       const std::string& where);

}  // namespace roboimi
