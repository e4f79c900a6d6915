// Handling of the classes and functions that a pickle names and calls. None is looked up or run: a
// few known functions that make plain data are emulated, everything else becomes an object node.
#include "roboimi/io/pickle_machine.h"

namespace roboimi {
namespace {

using Kind = PickleNode::Kind;

constexpr std::size_t kMaxClassName = 1000;

// Whether `id` is ('module', class, file, source), PyTorch's form for a module's class before 1.6.
bool is_module_source(const PickleNode& id) {
  const auto& parts = id.items;
  return id.is(Kind::kTuple) && parts.size() == 4 && parts[0]->is(Kind::kText) &&
         parts[0]->text == "module" && parts[1]->is(Kind::kClass);
}

}  // namespace

void PickleMachine::push_class(const std::string& module, const std::string& name) {
  if (module.size() + name.size() > kMaxClassName) fail("has a class name that is too long");
  charge(module.size() + name.size());
  push({.kind = Kind::kClass, .text = module + "." + name});
}

// Emulates calls that make plain data. Returns true if `result` was set.
bool PickleMachine::call_known(const std::string& name, const PickleNode& arguments,
                               PickleNode& result) {
  const auto& given = arguments.items;
  const bool is_dict = name == "collections.OrderedDict" || name == "builtins.dict";
  const bool is_set = name == "builtins.set" || name == "__builtin__.set" ||
                      name == "builtins.frozenset" || name == "__builtin__.frozenset";
  const auto items_of = [&]() -> const std::vector<const PickleNode*>& { return given[0]->items; };
  const bool has_items =
      given.size() == 1 && (given[0]->is(Kind::kList) || given[0]->is(Kind::kTuple));
  // Dicts.
  if (is_dict && (given.empty() || has_items)) {
    result.kind = Kind::kDict;
    if (given.empty()) return true;
    charge(items_of().size() * sizeof(result.entries[0]));
    for (const PickleNode* pair : items_of()) {
      if (pair->items.size() != 2) fail("makes a dict from items that are not pairs");
      result.entries.emplace_back(pair->items[0], pair->items[1]);
    }
    return true;
  }
  // Sets and sizes.
  if ((is_set && (given.empty() || has_items)) || (name == "torch.Size" && has_items)) {
    result.kind = is_set ? Kind::kSet : Kind::kTuple;
    if (given.empty()) return true;
    charge(items_of().size() * sizeof(items_of()[0]));
    result.items = items_of();
    return true;
  }
  // Bytes: protocol 2 writes them as _codecs.encode(string, 'latin1').
  if (name == "_codecs.encode" && !given.empty() && given[0]->is(Kind::kText)) {
    charge(given[0]->text.size());
    result.kind = Kind::kBytes;
    result.text = given[0]->text;
    return true;
  }
  return false;
}

PickleNode PickleMachine::call(const PickleNode& function, const PickleNode& arguments) {
  if (!arguments.is(Kind::kTuple)) fail("calls a function with arguments that are not a tuple");
  PickleNode result;
  if (function.is(Kind::kClass)) {
    if (auto tensor = rebuilder_.call(function.text, arguments)) return *std::move(tensor);
    if (call_known(function.text, arguments, result)) return result;
  }
  charge(function.text.size());
  result.kind = Kind::kObject;
  result.text = function.text;
  result.items = {&arguments};
  return result;
}

bool PickleMachine::calling(Opcode opcode) {
  switch (opcode) {
    case Opcode::kGlobal: {
      const std::string module = take_line();
      return push_class(module, take_line()), true;
    }
    case Opcode::kStackGlobal: {
      const PickleNode* name = pop();
      const PickleNode* module = pop();
      if (!name->is(Kind::kText) || !module->is(Kind::kText)) {
        fail("has a class name that is not a string");
      }
      return push_class(module->text, name->text), true;
    }
    case Opcode::kReduce:
    case Opcode::kNewObject: {
      const PickleNode* arguments = pop();
      const PickleNode* function = pop();
      return push(call(*function, *arguments)), true;
    }
    case Opcode::kNewObjectEx: {
      pop();  // keyword arguments
      const PickleNode* arguments = pop();
      const PickleNode* function = pop();
      return push(call(*function, *arguments)), true;
    }
    case Opcode::kPersistentId: {
      const PickleNode* id = pop();
      const PickleNode* source = is_module_source(*id) ? id->items[1] : nullptr;
      PickleNode node = source != nullptr ? PickleNode(*source) : rebuilder_.storage(*id);
      charge(node.text.size());
      return push(std::move(node)), true;
    }
    default:
      return false;
  }
}

}  // namespace roboimi
