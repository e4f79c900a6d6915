// A virtual machine for Python's pickle protocols 2 to 5 that executes nothing.
//
//   const PickleGraph graph = unpickle(bytes, load_storage, "model.ckpt");
//
// Classes and functions that a pickle names are never looked up: an unknown one becomes an object
// node with its arguments and state (pickle_graph.h). Known are only what torch.save needs to say a
// tensor (torch_rebuild.h), OrderedDict, set and bytes.
// Memory and time are bounded by the constants below; nothing recurses.
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

// What a pickle says about a storage: `num_elements` of `num_bytes` together.
struct StorageClaim {
  std::string key;
  std::uint64_t num_elements = 0;
  std::uint64_t num_bytes = 0;
};

// Gives the bytes of a storage, uint8 [n], aligned to 16 bytes at least; the same tensor for the
// same key.
using LoadStorage = std::function<at::Tensor(const StorageClaim& claim)>;

// `where` is the file, for errors. Error: damaged, not a pickle of these protocols, too large.
// `max_tensor_bytes` bounds the sum of the tensors' sizes (views of one storage count each time).
// `length`, where given, gets the number of bytes that the pickle takes of `bytes`.
ROBOIMI_EXPORT PickleGraph unpickle(std::span<const std::uint8_t> bytes,
                                    const LoadStorage& load_storage, std::uint64_t max_tensor_bytes,
                                    const std::string& where, std::size_t* length = nullptr);

}  // namespace roboimi
