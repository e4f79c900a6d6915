#include "roboimi/io/unpickler.h"

#include <ATen/ATen.h>

#include <bit>
#include <cstring>

#include "roboimi/common/error.h"
#include "roboimi/io/pickle_machine.h"

namespace roboimi {
namespace {

using Kind = PickleNode::Kind;

}  // namespace

void PickleMachine::fail(const std::string& what) const {
  throw Error({.what = "damaged PyTorch file: its pickle " + what, .where = where_});
}

std::span<const std::uint8_t> PickleMachine::take(std::uint64_t size) {
  if (size > rest_.size()) fail("ends too early");
  const auto taken = rest_.first(size);
  rest_ = rest_.subspan(size);
  return taken;
}

std::string PickleMachine::take_text(std::uint64_t size) {
  const auto bytes = take(size);
  return {bytes.begin(), bytes.end()};
}

std::string PickleMachine::take_line() {
  const auto* end = static_cast<const std::uint8_t*>(std::memchr(rest_.data(), '\n', rest_.size()));
  if (rest_.empty() || end == nullptr) fail("ends too early");
  std::string line = take_text(static_cast<std::uint64_t>(end - rest_.data()));
  take(1);
  return line;
}

PickleNode* PickleMachine::add(PickleNode node) {
  if (graph_.nodes.size() >= kMaxPickleNodes) fail("has too many values");
  return &graph_.nodes.emplace_back(std::move(node));
}

void PickleMachine::push(PickleNode* node) {
  if (stack_.size() >= kMaxPickleStack) fail("needs a stack that is too large");
  stack_.push_back(node);
}

// None, True and False are common, so each is a single shared node.
void PickleMachine::push_constant(Kind kind, std::int64_t value, PickleNode*& shared) {
  if (shared == nullptr) shared = add({.kind = kind, .integer = value});
  push(shared);
}

PickleNode* PickleMachine::pop() {
  PickleNode* node = top();
  stack_.pop_back();
  return node;
}

PickleNode* PickleMachine::top() {
  if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) fail("pops from an empty stack");
  return stack_.back();
}

std::vector<const PickleNode*> PickleMachine::pop_to_mark() {
  if (marks_.empty()) fail("lacks a mark");
  std::vector<const PickleNode*> items(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()),
                                       stack_.end());
  stack_.resize(marks_.back());
  marks_.pop_back();
  return items;
}

void PickleMachine::charge(std::size_t bytes) {
  if (bytes > copies_left_) fail("copies too much");
  copies_left_ -= bytes;
}

void PickleMachine::push_long(std::uint64_t size) {
  const auto bytes = take(size);
  if (size > 8) {
    push({.kind = Kind::kBigInteger, .text = std::string(bytes.begin(), bytes.end())});
    return;
  }
  const bool negative = size > 0 && (bytes.back() & 0x80) != 0;
  std::uint64_t value = negative ? ~std::uint64_t{0} : 0;
  std::memcpy(&value, bytes.data(), size);  // little-endian; the other bytes extend the sign
  push({.kind = Kind::kInteger, .integer = static_cast<std::int64_t>(value)});
}

bool PickleMachine::scalar(Opcode opcode) {
  switch (opcode) {
    case Opcode::kNone:
      return push_constant(Kind::kNone, 0, none_), true;
    case Opcode::kTrue:
      return push_constant(Kind::kBool, 1, true_), true;
    case Opcode::kFalse:
      return push_constant(Kind::kBool, 0, false_), true;
    case Opcode::kInt4:
      return push({.kind = Kind::kInteger, .integer = number<std::int32_t>()}), true;
    case Opcode::kInt2:
      return push({.kind = Kind::kInteger, .integer = number<std::uint16_t>()}), true;
    case Opcode::kInt1:
      return push({.kind = Kind::kInteger, .integer = number<std::uint8_t>()}), true;
    case Opcode::kLong1:
      return push_long(number<std::uint8_t>()), true;
    case Opcode::kLong4: {
      const auto size = number<std::int32_t>();
      if (size < 0) fail("has an integer of negative length");
      return push_long(static_cast<std::uint64_t>(size)), true;
    }
    case Opcode::kFloat: {
      const auto bits = __builtin_bswap64(number<std::uint64_t>());
      return push({.kind = Kind::kFloat, .number = std::bit_cast<double>(bits)}), true;
    }
    default:
      return false;
  }
}

bool PickleMachine::text(Opcode opcode) {
  const auto push_text = [&](Kind kind, std::uint64_t size) {
    push({.kind = kind, .text = take_text(size)});
    return true;
  };
  switch (opcode) {
    case Opcode::kShortText:
    case Opcode::kShortString:  // of Python 2
      return push_text(Kind::kText, number<std::uint8_t>());
    case Opcode::kText:
    case Opcode::kString:
      return push_text(Kind::kText, number<std::uint32_t>());
    case Opcode::kText8:
      return push_text(Kind::kText, number<std::uint64_t>());
    case Opcode::kShortBytes:
      return push_text(Kind::kBytes, number<std::uint8_t>());
    case Opcode::kBytes:
      return push_text(Kind::kBytes, number<std::uint32_t>());
    case Opcode::kBytes8:
    case Opcode::kByteArray8:
      return push_text(Kind::kBytes, number<std::uint64_t>());
    default:
      return false;
  }
}

void PickleMachine::push_tuple(std::vector<const PickleNode*> items) {
  PickleNode node{.kind = Kind::kTuple};
  node.items = std::move(items);
  push(std::move(node));
}

bool PickleMachine::collection(Opcode opcode) {
  switch (opcode) {
    case Opcode::kMark:
      if (marks_.size() >= kMaxPickleStack) fail("needs a stack that is too large");
      return marks_.push_back(stack_.size()), true;
    case Opcode::kEmptyList:
      return push({.kind = Kind::kList}), true;
    case Opcode::kEmptyDict:
      return push({.kind = Kind::kDict}), true;
    case Opcode::kEmptySet:
      return push({.kind = Kind::kSet}), true;
    case Opcode::kEmptyTuple:
      return push({.kind = Kind::kTuple}), true;
    case Opcode::kTuple:
      return push_tuple(pop_to_mark()), true;
    case Opcode::kTuple1:
    case Opcode::kTuple2:
    case Opcode::kTuple3: {
      std::vector<const PickleNode*> items(static_cast<std::size_t>(opcode) -
                                           static_cast<std::size_t>(Opcode::kTuple1) + 1);
      for (auto item = items.rbegin(); item != items.rend(); ++item) *item = pop();
      return push_tuple(std::move(items)), true;
    }
    case Opcode::kFrozenSet: {
      PickleNode node{.kind = Kind::kSet};
      node.items = pop_to_mark();
      return push(std::move(node)), true;
    }
    default:
      return false;
  }
}

void PickleMachine::set_entries(PickleNode& node, const std::vector<const PickleNode*>& flat) {
  if (!node.is(Kind::kDict) && !node.is(Kind::kObject))
    fail("sets an item of a value that is not a dict");
  if (flat.size() % 2 != 0) fail("has a key without a value");
  for (std::size_t i = 0; i < flat.size(); i += 2) node.entries.emplace_back(flat[i], flat[i + 1]);
}

void PickleMachine::append(PickleNode& node, const std::vector<const PickleNode*>& items) {
  // Items of a list subclass are not needed.
  if (node.is(Kind::kObject)) return;
  if (!node.is(Kind::kList) && !node.is(Kind::kSet)) fail("appends to a value that is not a list");
  node.items.insert(node.items.end(), items.begin(), items.end());
}

bool PickleMachine::filling(Opcode opcode) {
  switch (opcode) {
    case Opcode::kAppend: {
      const PickleNode* item = pop();
      return append(*top(), {item}), true;
    }
    case Opcode::kAppends:
    case Opcode::kAddItems: {
      const auto items = pop_to_mark();
      return append(*top(), items), true;
    }
    case Opcode::kSetItem: {
      const PickleNode* value = pop();
      const PickleNode* key = pop();
      return set_entries(*top(), {key, value}), true;
    }
    case Opcode::kSetItems: {
      const auto flat = pop_to_mark();
      return set_entries(*top(), flat), true;
    }
    case Opcode::kBuild: {
      const PickleNode* state = pop();
      // Attributes of dicts, tensors and classes are not needed.
      if (top()->is(Kind::kObject)) top()->state = state;
      return true;
    }
    default:
      return false;
  }
}

void PickleMachine::remember(std::uint64_t key, PickleNode* node) {
  if (memo_.size() >= kMaxPickleNodes) fail("has too many values in its memo");
  memo_[key] = node;
}

PickleNode* PickleMachine::remembered(std::uint64_t key) {
  const auto found = memo_.find(key);
  if (found == memo_.end()) fail("reads a value that is not in its memo");
  return found->second;
}

bool PickleMachine::memory(Opcode opcode) {
  switch (opcode) {
    case Opcode::kMemoize:
      return remember(memo_.size(), top()), true;
    case Opcode::kPut1:
      return remember(number<std::uint8_t>(), top()), true;
    case Opcode::kPut4:
      return remember(number<std::uint32_t>(), top()), true;
    case Opcode::kGet1:
      return push(remembered(number<std::uint8_t>())), true;
    case Opcode::kGet4:
      return push(remembered(number<std::uint32_t>())), true;
    case Opcode::kDuplicate:
      return push(top()), true;
    case Opcode::kPop:
      if (!marks_.empty() && marks_.back() == stack_.size()) return marks_.pop_back(), true;
      return pop(), true;
    case Opcode::kPopMark:
      return pop_to_mark(), true;
    case Opcode::kFrame:
      return number<std::uint64_t>(), true;
    default:
      return false;
  }
}

PickleGraph PickleMachine::run() {
  if (rest_.size() < 2 || rest_[0] != static_cast<std::uint8_t>(Opcode::kProtocol) ||
      rest_[1] < 2 || rest_[1] > 5) {
    fail("is not of protocol 2 to 5");
  }
  take(2);
  for (std::size_t executed = 0; executed < kMaxPickleOpcodes; ++executed) {
    const auto opcode = static_cast<Opcode>(number<std::uint8_t>());
    if (opcode == Opcode::kStop) {
      graph_.root = pop();
      return std::move(graph_);
    }
    if (!scalar(opcode) && !text(opcode) && !collection(opcode) && !filling(opcode) &&
        !memory(opcode) && !calling(opcode)) {
      char code[8];
      std::snprintf(code, sizeof(code), "0x%02x", static_cast<unsigned>(opcode));
      fail(std::string("has an unsupported opcode: ") + code);
    }
  }
  fail("is too long");
}

PickleGraph unpickle(std::span<const std::uint8_t> bytes, const LoadStorage& load_storage,
                     std::uint64_t max_tensor_bytes, const std::string& where,
                     std::size_t* length) {
  PickleMachine machine(bytes, load_storage, max_tensor_bytes, where);
  PickleGraph graph = machine.run();
  if (length != nullptr) *length = bytes.size() - machine.num_unread();
  return graph;
}

}  // namespace roboimi
