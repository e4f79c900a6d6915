// What torch.save says about tensors: persistent ids of storages, and the functions that rebuild a
// tensor from one.
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

  // The storage node for a persistent id: ('storage', class, key, location, number of elements),
  // with a sixth part that is None before PyTorch 1.6. integer holds the dtype, -1 when untyped,
  // kUnreadStorage when it is of a class that is not known: its bytes are then left unread.
  PickleNode storage(const PickleNode& id);

  // The result of calling `function` with `arguments` (a tuple) when that makes a tensor; otherwise
  // empty: the caller keeps an inert object.
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
