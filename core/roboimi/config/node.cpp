#include "roboimi/config/node.h"

#include <algorithm>

#include "roboimi/common/error.h"
#include "roboimi/common/text.h"
#include "roboimi/config/scalar.h"

namespace roboimi {
namespace {

// Removes and returns the first segment of "a.b.c".
std::string_view take_segment(std::string_view& dotted) {
  const std::size_t dot = dotted.find('.');
  const std::string_view segment = dotted.substr(0, dot);
  dotted.remove_prefix(dot == std::string_view::npos ? dotted.size() : dot + 1);
  return segment;
}

std::optional<std::size_t> index_into(const ConfigNode& sequence, std::string_view segment) {
  const std::optional<std::int64_t> index = config::read_integer(segment);
  if (!index || *index < 0 || *index >= static_cast<std::int64_t>(sequence.items().size())) {
    return std::nullopt;
  }
  return static_cast<std::size_t>(*index);
}

const ConfigNode* child_of(const ConfigNode& node, std::string_view segment) {
  if (node.is_map()) return node.find(segment);
  if (!node.is_sequence()) return nullptr;
  const auto index = index_into(node, segment);
  return index ? &node.items()[*index] : nullptr;
}

ConfigNode* child_of(ConfigNode& node, std::string_view segment) {
  return const_cast<ConfigNode*>(child_of(std::as_const(node), segment));
}

}  // namespace

std::string SourceLocation::to_string() const {
  if (line == 0) return file;
  return file + ":" + std::to_string(line) + ":" + std::to_string(column);
}

ConfigNode ConfigNode::scalar(std::string text, SourceLocation location, bool quoted) {
  ConfigNode node;
  node.kind_ = Kind::kScalar;
  node.text_ = std::move(text);
  node.location_ = std::move(location);
  node.quoted_ = quoted;
  return node;
}

ConfigNode ConfigNode::sequence(std::vector<ConfigNode> items, SourceLocation location) {
  ConfigNode node;
  node.kind_ = Kind::kSequence;
  node.items_ = std::move(items);
  node.location_ = std::move(location);
  return node;
}

ConfigNode ConfigNode::map(SourceLocation location) {
  ConfigNode node;
  node.kind_ = Kind::kMap;
  node.location_ = std::move(location);
  return node;
}

const ConfigNode* ConfigNode::find(std::string_view key) const {
  const auto entry = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& candidate) { return candidate.first == key; });
  return entry == entries_.end() ? nullptr : &entry->second;
}

ConfigNode* ConfigNode::find(std::string_view key) {
  return const_cast<ConfigNode*>(std::as_const(*this).find(key));
}

const ConfigNode* ConfigNode::find_path(std::string_view dotted) const {
  const ConfigNode* node = this;
  while (node != nullptr && !dotted.empty()) node = child_of(*node, take_segment(dotted));
  return node;
}

void ConfigNode::set(std::string_view key, ConfigNode value) {
  if (ConfigNode* existing = find(key)) {
    *existing = std::move(value);
    return;
  }
  // A node that is not a map becomes one.
  if (kind_ != Kind::kMap) *this = map(location_);
  entries_.emplace_back(key, std::move(value));
}

void ConfigNode::set_path(std::string_view dotted, ConfigNode value) {
  if (std::count(dotted.begin(), dotted.end(), '.') >= kMaxConfigDepth) {
    throw Error({.what = "the key '" + printable(dotted) + "' is nested too deeply",
                 .where = value.location().to_string(),
                 .expected = "at most " + std::to_string(kMaxConfigDepth) + " levels"});
  }
  ConfigNode* node = this;
  while (!dotted.empty()) {
    const std::string_view segment = take_segment(dotted);
    ConfigNode* child = child_of(*node, segment);
    if (child == nullptr) {
      node->set(segment, ConfigNode::map(value.location()));
      child = node->find(segment);
    }
    node = child;
  }
  *node = std::move(value);
}

bool ConfigNode::erase_path(std::string_view dotted) {
  const std::size_t dot = dotted.rfind('.');
  const bool nested = dot != std::string_view::npos;
  auto* parent = const_cast<ConfigNode*>(find_path(nested ? dotted.substr(0, dot) : ""));
  const std::string_view last = nested ? dotted.substr(dot + 1) : dotted;
  if (parent == nullptr) return false;
  if (parent->is_sequence()) {
    const auto index = index_into(*parent, last);
    if (index) parent->items_.erase(parent->items_.begin() + static_cast<std::ptrdiff_t>(*index));
    return index.has_value();
  }
  return std::erase_if(parent->entries_, [&](const Entry& entry) { return entry.first == last; }) >
         0;
}

bool ConfigNode::operator==(const ConfigNode& other) const {
  if (kind_ != other.kind_) return false;
  if (kind_ == Kind::kScalar) {
    // Quotes matter only if they make a string of a number or boolean.
    const bool same_type = quoted_ == other.quoted_ || text_.empty() ||
                           config::reads_as_null(text_) || config::reads_as_text(text_);
    return text_ == other.text_ && same_type;
  }
  return items_ == other.items_ && entries_ == other.entries_;
}

}  // namespace roboimi
