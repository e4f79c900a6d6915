// A YAML tree in which every node records its file, line and column, also after composition and
// overrides. A value type: copying copies the tree.
//
//   ConfigNode root = parse_yaml("head: {n_emb: 384}", "experiment.yaml");
//   root.find_path("head.n_emb")->text();                    // "384"
//   root.find_path("head.n_emb")->location().to_string();    // "experiment.yaml:1:8"
//
// The location of a child of a map is that of its key. A string may contain references
// (`${a.b}`) and the escape `\${` for a literal `${`; both are kept as written. See compose.h and
// schema.h.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "roboimi/common/export.h"

namespace roboimi {

// The place where a value is written. `file` is "command line" for overrides; line 0 is unknown.
struct SourceLocation {
  std::string file;
  int line = 0;    // from 1
  int column = 0;  // from 1

  // "configs/agent/lewm.yaml:12:5", or only the file if the line is unknown.
  ROBOIMI_EXPORT std::string to_string() const;
};

class ROBOIMI_EXPORT ConfigNode {
 public:
  enum class Kind { kNull, kScalar, kSequence, kMap };
  using Entry = std::pair<std::string, ConfigNode>;

  ConfigNode() = default;
  static ConfigNode scalar(std::string text, SourceLocation location = {}, bool quoted = false);
  static ConfigNode sequence(std::vector<ConfigNode> items, SourceLocation location = {});
  static ConfigNode map(SourceLocation location = {});

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::kNull; }
  bool is_scalar() const { return kind_ == Kind::kScalar; }
  bool is_sequence() const { return kind_ == Kind::kSequence; }
  bool is_map() const { return kind_ == Kind::kMap; }

  const SourceLocation& location() const { return location_; }
  void set_location(SourceLocation location) { location_ = std::move(location); }

  // The string of a scalar as written, and whether it was quoted (a quoted "1" is a string).
  const std::string& text() const { return text_; }
  bool quoted() const { return quoted_; }

  const std::vector<ConfigNode>& items() const { return items_; }
  std::vector<ConfigNode>& items() { return items_; }

  // Entries of a map, in the order in which they were first written.
  const std::vector<Entry>& entries() const { return entries_; }
  std::vector<Entry>& entries() { return entries_; }

  // The child of a map, or nullptr. find_path() follows "agent.head.n_emb"; numbers are indices of
  // sequences.
  const ConfigNode* find(std::string_view key) const;
  ConfigNode* find(std::string_view key);
  const ConfigNode* find_path(std::string_view dotted) const;
  // Inserts or replaces.
  void set(std::string_view key, ConfigNode value);
  void set_path(std::string_view dotted, ConfigNode value);  // creates missing maps
  bool erase_path(std::string_view dotted);                  // false if absent

  // YAML that parses to an equal tree.
  std::string to_yaml() const;
  // Indented JSON. A plain scalar becomes a boolean or number if YAML reads it as one.
  std::string to_json() const;
  // Compares values, not locations.
  bool operator==(const ConfigNode& other) const;

 private:
  Kind kind_ = Kind::kNull;
  SourceLocation location_;
  std::string text_;
  bool quoted_ = false;
  std::vector<ConfigNode> items_;
  std::vector<Entry> entries_;
};

// Deeper trees are rejected, so that recursive functions cannot overflow the stack.
inline constexpr int kMaxConfigDepth = 100;

// Parses one YAML document and expands anchors, aliases and merge keys (`<<: *a`). Throws Error
// with file:line:column for a syntax error, a repeated key, or a document that is too deep or too
// large.
ROBOIMI_EXPORT ConfigNode parse_yaml(const std::string& text, const std::string& file_name);
ROBOIMI_EXPORT ConfigNode load_yaml(const std::string& path);

}  // namespace roboimi
