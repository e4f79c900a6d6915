// What a pickle holds, as plain data. Nothing here was executed.
//
// Values are nodes of a graph, because one value may be reached by many paths, and by itself:
// whoever walks it must bound the depth.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "roboimi/common/export.h"

namespace roboimi {

struct PickleNode {
  enum class Kind {
    kNone,
    kBool,        // integer
    kInteger,     // integer
    kBigInteger,  // text: little-endian two's complement bytes
    kFloat,       // number
    kText,        // text
    kBytes,       // text
    kList,        // items
    kTuple,       // items
    kSet,         // items
    kDict,        // entries, in order; of two equal keys the later one wins (find())
    kClass,       // text: "module.name", never imported
    kObject,      // text: its class; items[0] the constructor's arguments; state; entries
    kStorage,     // tensor: its bytes; text: the key
    kTensor,      // tensor
  };
  Kind kind = Kind::kNone;
  std::int64_t integer = 0;
  double number = 0.0;
  std::string text;
  std::vector<const PickleNode*> items;
  std::vector<std::pair<const PickleNode*, const PickleNode*>> entries;
  const PickleNode* state = nullptr;
  at::Tensor tensor;

  bool is(Kind wanted) const { return kind == wanted; }
  // The value under a text key of a dict, or of an object's state; nullptr when there is none.
  ROBOIMI_EXPORT const PickleNode* find(const std::string& key) const;
};

// Owns its nodes; pointers stay valid as long as it lives.
struct PickleGraph {
  std::deque<PickleNode> nodes;
  const PickleNode* root = nullptr;
};

// Empty, or what kind of tensor an object stands for that was not built: "quantized", "sparse",
// "of a kind that is not read (NAME)".
ROBOIMI_EXPORT std::string unread_tensor(const PickleNode& node);

// "dict of 12", "list of 3", "tensor F32 [192, 3]", "text 'abc'", "object of class x.Y".
ROBOIMI_EXPORT std::string describe(const PickleNode& node);

}  // namespace roboimi
