// A builder for the tensors in a pickle of torch.save, from the persistent IDs of storages and the
// calls of functions that rebuild tensors.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "roboimi/io/pickle_graph.h"
#include "roboimi/io/unpickler.h"

namespace roboimi {

class TorchRebuilder {
 public:
  TorchRebuilder(const LoadStorage& load_storage, std::uint64_t max_tensor_bytes,
                 std::string where);

  // The storage node for a persistent ID: ('storage', class, key, location, number of elements),
  // before PyTorch 1.6 followed by None. The node's `integer` is the dtype, -1 if untyped, or
  // kUnreadStorage for an unknown class, whose bytes are not read.
  PickleNode storage(const PickleNode& id);

  // The tensor that calling `function` with `arguments` (a tuple) makes; nullopt if it does not
  // make a supported tensor.
  std::optional<PickleNode> call(const std::string& function, const PickleNode& arguments);

  static constexpr std::int64_t kUnreadStorage = -2;

 private:
  std::optional<PickleNode> rebuild(const std::string& function,
                                    const std::vector<const PickleNode*>& arguments);
  at::Tensor make_tensor(const PickleNode& storage, c10::ScalarType dtype, const PickleNode& offset,
                         const PickleNode& sizes, const PickleNode& strides);
  void check_bools(const PickleNode& storage);
  [[noreturn]] void fail(const std::string& what) const;

  const LoadStorage& load_storage_;
  std::uint64_t tensor_bytes_left_;
  std::string where_;
  std::map<std::string, bool> bools_checked_;  // by storage key
};

}  // namespace roboimi
