#include "plugins/torchscript_backbone/output.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>
#include <vector>

#include "roboimi/common/error.h"
#include "roboimi/common/text.h"

namespace roboimi::torchscript_backbone {
namespace {

using Entries = std::vector<std::pair<std::string, c10::IValue>>;

// The members of a dict, a tuple or a list, with the names that select them; empty for other
// values.
Entries entries_of(const c10::IValue& value) {
  Entries entries;
  if (value.isGenericDict()) {
    for (const auto& entry : value.toGenericDict()) {
      if (entry.key().isString()) entries.emplace_back(entry.key().toStringRef(), entry.value());
    }
  } else if (value.isTuple()) {
    for (const c10::IValue& element : value.toTupleRef().elements()) {
      entries.emplace_back(std::to_string(entries.size()), element);
    }
  } else if (value.isList()) {
    for (const c10::IValue& element : value.toListRef()) {
      entries.emplace_back(std::to_string(entries.size()), element);
    }
  }
  return entries;
}

std::string describe(const c10::IValue& value) {
  if (value.isTensor() && value.toTensor().defined()) {
    return c10::str(value.toTensor().scalar_type(), " ", value.toTensor().sizes());
  }
  const Entries entries = entries_of(value);
  if (entries.empty()) return value.tagKind();
  std::vector<std::string> members;
  for (const auto& [name, member] : entries) {
    const bool nested = !entries_of(member).empty();
    members.push_back(printable(name) + ": " + (nested ? member.tagKind() : describe(member)));
  }
  return fmt::format("a {} of {}", value.tagKind(), fmt::join(members, ", "));
}

// The member that `choice` selects, or the value itself if it has no members. Error otherwise.
c10::IValue chosen(const c10::IValue& value, const OutputChoice& choice, const std::string& where) {
  const Entries entries = entries_of(value);
  if (!choice.entry) {
    if (entries.empty()) return value;
    throw Error({.what = "the module returns several values",
                 .where = where,
                 .expected = "output: the name or index of one of them",
                 .found = describe(value),
                 .next = fmt::format("set output, for example output: {}",
                                     printable(entries.front().first))});
  }
  for (const auto& [name, member] : entries) {
    if (name == *choice.entry) return member;
  }
  throw Error({.what = fmt::format("the module returns no '{}'", *choice.entry),
               .where = where,
               .expected = "the configured output",
               .found = describe(value),
               .next = entries.empty() ? "leave output out" : "set output to one of these"});
}

}  // namespace

at::Tensor feature_of(const c10::IValue& value, const OutputChoice& choice, std::int64_t frames,
                      const std::string& where) {
  const c10::IValue result = chosen(value, choice, where);
  const bool of_tokens = choice.token != Token::kNone;
  const at::Tensor tensor = result.isTensor() ? result.toTensor() : at::Tensor();
  if (!tensor.defined() || !tensor.is_floating_point() || tensor.numel() == 0 ||
      tensor.dim() != (of_tokens ? 3 : 2) || tensor.size(0) != frames) {
    throw Error(
        {.what = "the module's output is not a feature",
         .where = where,
         .expected = of_tokens
                         ? fmt::format("floats [{}, T, D], tokens of {} frames", frames, frames)
                         : fmt::format("floats [{}, D], one row per frame", frames),
         .found = describe(result),
         .next = of_tokens
                     ? "set token: none for [N, D]"
                     : "for [N, T, D] set token: cls or token: mean; flatten or pool other shapes "
                       "in forward(); if the number of frames never changes, tracing has fixed it: "
                       "use x.flatten(1), or torch.jit.script"});
  }
  const at::Tensor numbers = tensor.to(at::kFloat);
  if (choice.token == Token::kCls) return numbers.select(1, 0);
  return of_tokens ? numbers.mean(1) : numbers;
}

}  // namespace roboimi::torchscript_backbone
