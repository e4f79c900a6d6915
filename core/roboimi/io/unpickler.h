// A reader for Python's pickle protocols 2 to 5 that never executes anything.
//
//   const PickleGraph graph = unpickle(bytes, load_storage, "model.ckpt");
//
// Classes and functions that a pickle names are never looked up: the result of an unknown one is an
// object node with its arguments and state (pickle_graph.h). Only those that torch.save uses for
// tensors (torch_rebuild.h), dicts, sets and bytes are known. The constants below limit memory and
// time; nothing recurses.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "roboimi/common/export.h"
#include "roboimi/io/pickle_graph.h"

namespace roboimi {

constexpr std::size_t kMaxPickleOpcodes = 20'000'000;
constexpr std::size_t kMaxPickleNodes = 1'000'000;
constexpr std::size_t kMaxPickleStack = 1'000'000;
constexpr std::size_t kMaxPickleCopies = 128 << 20;  // bytes that opcodes copy from other values

// A pickle's description of a storage: `num_elements`, which take `num_bytes` in total.
struct StorageClaim {
  std::string key;
  std::uint64_t num_elements = 0;
  std::uint64_t num_bytes = 0;
};

// Returns the bytes of a storage, uint8 [n], aligned to at least 16 bytes. The same key must give
// the same tensor.
using LoadStorage = std::function<at::Tensor(const StorageClaim& claim)>;

// Reads a pickle. Throws Error for damaged data, other protocols and exceeded limits; `where` names
// the file in the message. `max_tensor_bytes` limits the sum of the tensors' sizes (views of one
// storage count each time). `length`, if not nullptr, receives the number of bytes that the pickle
// occupies in `bytes`.
ROBOIMI_EXPORT PickleGraph unpickle(std::span<const std::uint8_t> bytes,
                                    const LoadStorage& load_storage, std::uint64_t max_tensor_bytes,
                                    const std::string& where, std::size_t* length = nullptr);

}  // namespace roboimi
