#include "roboimi/io/pickle_graph.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "roboimi/common/text.h"

namespace roboimi {

using Kind = PickleNode::Kind;

const PickleNode* PickleNode::find(const std::string& key) const {
  // An object's attributes are its state, a dict.
  if (kind == Kind::kObject) {
    return state != nullptr && state->is(Kind::kDict) ? state->find(key) : nullptr;
  }
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
    if (entry->first->is(Kind::kText) && entry->first->text == key) return entry->second;
  }
  return nullptr;
}

std::string unread_tensor(const PickleNode& node) {
  const PickleNode* inner = &node;
  // A parameter is a wrapper around a tensor.
  if (inner->is(Kind::kObject) && inner->text.starts_with("torch._utils._rebuild_parameter") &&
      !inner->items.empty() && !inner->items[0]->items.empty()) {
    inner = inner->items[0]->items[0];
  }
  const std::string_view name = inner->text;
  if (!inner->is(Kind::kObject) || (!name.starts_with("torch._utils._rebuild_") &&
                                    !name.starts_with("torch._tensor._rebuild_"))) {
    return "";
  }
  if (name.ends_with("_rebuild_qtensor")) return "quantized";
  if (name.find("_sparse_") != std::string_view::npos) return "sparse";
  return "of an unsupported kind (" + printable(name, 100) + ")";
}

std::string describe(const PickleNode& node) {
  if (const std::string kind = unread_tensor(node); !kind.empty()) return "tensor, " + kind;
  switch (node.kind) {
    case Kind::kNone:
      return "None";
    case Kind::kBool:
      return node.integer != 0 ? "True" : "False";
    case Kind::kInteger:
      return std::to_string(node.integer);
    case Kind::kBigInteger:
      return fmt::format("integer of {} bytes", node.text.size());
    case Kind::kFloat:
      return fmt::format("{}", node.number);
    case Kind::kText:
      return fmt::format("'{}'", printable(node.text, 60));
    case Kind::kBytes:
      return fmt::format("{} bytes", node.text.size());
    case Kind::kList:
      return fmt::format("list of {}", node.items.size());
    case Kind::kTuple:
      return fmt::format("tuple of {}", node.items.size());
    case Kind::kSet:
      return fmt::format("set of {}", node.items.size());
    case Kind::kDict:
      return fmt::format("dict of {}", node.entries.size());
    case Kind::kClass:
      return "class " + printable(node.text, 100);
    case Kind::kObject:
      return "object of class " + printable(node.text, 100);
    case Kind::kStorage:
      return fmt::format("storage of {} bytes", node.tensor.numel());
    case Kind::kTensor:
      return fmt::format("tensor {} [{}]", c10::toString(node.tensor.scalar_type()),
                         fmt::join(node.tensor.sizes(), ", "));
  }
  return "";
}

}  // namespace roboimi
