// The virtual machine of unpickle(): a stack, marks, a memo, and one method per opcode family.
#pragma once

#include <cstring>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "roboimi/io/pickle_opcodes.h"
#include "roboimi/io/torch_rebuild.h"
#include "roboimi/io/unpickler.h"

namespace roboimi {

class PickleMachine {
 public:
  PickleMachine(std::span<const std::uint8_t> bytes, const LoadStorage& load_storage,
                std::uint64_t max_tensor_bytes, const std::string& where)
      : rest_(bytes), where_(where), rebuilder_(load_storage, max_tensor_bytes, where) {}

  PickleGraph run();
  // The number of bytes after the end of the pickle.
  std::size_t num_unread() const { return rest_.size(); }

 private:
  // Reading.
  [[noreturn]] void fail(const std::string& what) const;
  std::span<const std::uint8_t> take(std::uint64_t size);
  std::string take_text(std::uint64_t size);
  std::string take_line();
  template <typename Number>
  Number number();

  // The stack.
  PickleNode* add(PickleNode node);
  void push(PickleNode* node);
  void push(PickleNode node) { push(add(std::move(node))); }
  void push_constant(PickleNode::Kind kind, std::int64_t value, PickleNode*& shared);
  PickleNode* pop();
  PickleNode* top();
  std::vector<const PickleNode*> pop_to_mark();
  void charge(std::size_t bytes);

  // One method per opcode family; returns false if `opcode` belongs to another family.
  bool scalar(Opcode opcode);
  bool text(Opcode opcode);
  bool collection(Opcode opcode);
  bool filling(Opcode opcode);
  bool memory(Opcode opcode);
  bool calling(Opcode opcode);

  void push_long(std::uint64_t size);
  void push_tuple(std::vector<const PickleNode*> items);
  void push_class(const std::string& module, const std::string& name);
  void set_entries(PickleNode& node, const std::vector<const PickleNode*>& flat);
  void append(PickleNode& node, const std::vector<const PickleNode*>& items);
  void remember(std::uint64_t key, PickleNode* node);
  PickleNode* remembered(std::uint64_t key);
  PickleNode call(const PickleNode& function, const PickleNode& arguments);
  bool call_known(const std::string& name, const PickleNode& arguments, PickleNode& result);

  std::span<const std::uint8_t> rest_;
  const std::string& where_;
  TorchRebuilder rebuilder_;
  PickleGraph graph_;
  std::vector<PickleNode*> stack_;
  std::vector<std::size_t> marks_;  // stack heights
  std::unordered_map<std::uint64_t, PickleNode*> memo_;
  std::size_t copies_left_ = kMaxPickleCopies;
  PickleNode *none_ = nullptr, *true_ = nullptr, *false_ = nullptr;
};

template <typename Number>
Number PickleMachine::number() {
  Number value;
  std::memcpy(&value, take(sizeof(value)).data(), sizeof(value));
  return value;
}

}  // namespace roboimi
