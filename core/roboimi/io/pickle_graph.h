// The contents of a pickle as plain data, read without executing anything.
//
// Values are nodes of a graph, because a value may be referenced many times and may contain itself.
// Code that walks the graph must limit its depth.
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
    kText,        // text: a string
    kBytes,       // text: the bytes
    kList,        // items
    kTuple,       // items
    kSet,         // items
    kDict,        // entries, in order; find() returns the last one of several with equal keys
    kClass,       // text: "module.name", never imported
    kObject,      // text: its class; items[0]: the constructor's arguments; state; entries
    kStorage,     // tensor: its bytes; text: its key
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
  // The value under a string key of a dict, or of an object's state; nullptr if there is none.
  ROBOIMI_EXPORT const PickleNode* find(const std::string& key) const;
};

// Owns the nodes; pointers to them stay valid while it is alive.
struct PickleGraph {
  std::deque<PickleNode> nodes;
  const PickleNode* root = nullptr;
};

// The kind of an unsupported tensor: "quantized", "sparse", "of an unsupported kind (NAME)". Empty
// if the node is not an unsupported tensor.
ROBOIMI_EXPORT std::string unread_tensor(const PickleNode& node);

// A short description: "dict of 12", "tensor Float [192, 3]", "'abc'", "object of class x.Y".
ROBOIMI_EXPORT std::string describe(const PickleNode& node);

}  // namespace roboimi
