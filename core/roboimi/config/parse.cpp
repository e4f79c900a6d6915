// Parses YAML into a ConfigNode. Uses the events of yaml-cpp's parser, because its node tree loses
// repeated keys, quotes and locations.
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <map>
#include <sstream>

#include "roboimi/common/error.h"
#include "roboimi/common/text.h"
#include "roboimi/config/node.h"
#include "roboimi/config/text_file.h"

namespace roboimi {
namespace {

// A limit far above any real config. Aliases of aliases exceed it quickly.
constexpr std::size_t kMostNodes = 1'000'000;

std::size_t count_nodes(const ConfigNode& node) {
  std::size_t count = 1;
  for (const ConfigNode& item : node.items()) count += count_nodes(item);
  for (const auto& [key, value] : node.entries()) count += count_nodes(value);
  return count;
}

int depth_of(const ConfigNode& node) {
  int depth = 0;
  for (const ConfigNode& item : node.items()) depth = std::max(depth, depth_of(item));
  for (const auto& [key, value] : node.entries()) depth = std::max(depth, depth_of(value));
  return depth + 1;
}

class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(std::string file) : file_(std::move(file)) {}

  // Returns the tree after all events.
  ConfigNode take_root() {
    if (invalid_key_) fail(*invalid_key_, "a key that is not a string", "KEY: VALUE");
    return std::move(root_);
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) fail(mark, "a second document (---) in one file", "one document");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    ConfigNode node;
    node.set_location(at(mark));
    add(std::move(node), mark, anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) fail(mark, "an alias inside its own value");
    ConfigNode copy = found->second;
    count(mark, count_nodes(copy));
    if (static_cast<int>(open_.size()) + depth_of(copy) > kMaxConfigDepth) fail_depth(mark);
    add(std::move(copy), mark, 0);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    // yaml-cpp's tag is "!" for quoted scalars and "?" for plain ones.
    const bool quoted = tag == "!" || tag == "tag:yaml.org,2002:str";
    check_tag(mark, tag);
    add(ConfigNode::scalar(value, at(mark), quoted), mark, anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    check_tag(mark, tag);
    open(ConfigNode::sequence({}, at(mark)), mark, anchor);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    check_tag(mark, tag);
    open(ConfigNode::map(at(mark)), mark, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  // A sequence or map that has not ended yet.
  struct Open {
    ConfigNode node;
    YAML::Mark mark;
    YAML::anchor_t anchor = 0;
    std::optional<std::string> key = std::nullopt;  // of the next value
    SourceLocation key_location = {};
    bool key_quoted = false;
    std::map<std::string, SourceLocation> keys = {};
    std::vector<ConfigNode> merged = {};  // values of `<<`
  };

  SourceLocation at(const YAML::Mark& mark) const {
    if (mark.is_null()) return {file_};
    return {file_, mark.line + 1, mark.column + 1};
  }

  [[noreturn]] void fail(const YAML::Mark& mark, const std::string& what,
                         const std::string& expected = "", const std::string& next = "") const {
    throw Error({.what = what, .where = at(mark).to_string(), .expected = expected, .next = next});
  }
  [[noreturn]] void fail_depth(const YAML::Mark& mark) const {
    fail(mark, "nested too deeply", "at most " + std::to_string(kMaxConfigDepth) + " levels");
  }

  void count(const YAML::Mark& mark, std::size_t nodes) {
    count_ += nodes;
    if (count_ > kMostNodes) {
      fail(mark, "too many values", "at most " + std::to_string(kMostNodes));
    }
  }

  void check_tag(const YAML::Mark& mark, const std::string& tag) const {
    const bool known = tag.empty() || tag == "?" || tag == "!" || tag.starts_with("tag:yaml.org");
    if (!known) fail(mark, "unknown tag '" + printable(tag) + "'", "a value without a tag");
  }

  void open(ConfigNode node, const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (static_cast<int>(open_.size()) >= kMaxConfigDepth) fail_depth(mark);
    open_.push_back({std::move(node), mark, anchor});
  }

  void close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    // Keys of the map itself override merged keys, and earlier merges override later ones.
    for (ConfigNode& merged : done.merged) {
      for (auto& [key, value] : merged.entries()) {
        if (done.node.find(key) == nullptr) done.node.set(key, std::move(value));
      }
    }
    add(std::move(done.node), done.mark, done.anchor);
  }

  void add(ConfigNode node, const YAML::Mark& mark, YAML::anchor_t anchor) {
    count(mark, 1);
    if (anchor != 0) anchors_[anchor] = node;
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node.is_sequence()) {
      parent.node.items().push_back(std::move(node));
    } else if (!parent.key) {
      begin_entry(parent, node, mark);
    } else {
      end_entry(parent, std::move(node), mark);
    }
  }

  void begin_entry(Open& parent, const ConfigNode& key, const YAML::Mark& mark) {
    // Do not report this yet: usually the cause is a missing bracket, which the parser reports at
    // the end of the file.
    if (!key.is_scalar() && !invalid_key_) invalid_key_ = mark;
    parent.key_location = at(mark);
    parent.key = key.text();
    parent.key_quoted = key.quoted();
    if (invalid_key_) return;
    const auto [first, is_new] = parent.keys.emplace(key.text(), at(mark));
    if (!is_new) {
      fail(mark,
           "repeated key '" + printable(key.text()) + "', first used at " +
               first->second.to_string(),
           "", "remove one of them");
    }
  }

  void end_entry(Open& parent, ConfigNode value, const YAML::Mark& mark) {
    const std::string key = *parent.key;
    parent.key.reset();
    if (key == "<<" && !parent.key_quoted) {
      add_merged(parent, std::move(value), mark);
      return;
    }
    value.set_location(parent.key_location);
    parent.node.entries().emplace_back(key, std::move(value));
  }

  void add_merged(Open& parent, ConfigNode value, const YAML::Mark& mark) {
    std::vector<ConfigNode> maps;
    if (value.is_sequence()) {
      maps = std::move(value.items());
    } else {
      maps.push_back(std::move(value));
    }
    for (ConfigNode& map : maps) {
      if (!map.is_map()) fail(mark, "'<<' cannot merge this", "a map or a list of maps");
      parent.merged.push_back(std::move(map));
    }
  }

  std::string file_;
  ConfigNode root_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, ConfigNode> anchors_;
  std::optional<YAML::Mark> invalid_key_;  // of the first key that is a list, a table or null
  std::size_t count_ = 0;
  int documents_ = 0;
};

class IgnoreEvents : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}
};

void handle_documents(const std::string& text, YAML::EventHandler& handler) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  while (parser.HandleNextDocument(handler)) {
  }
}

// Throws Error for a quote that is not closed. yaml-cpp reports it only if no newline ends the
// file.
void refuse_open_quote(const std::string& text) {
  if (text.find_first_of("'\"") == std::string::npos) return;
  IgnoreEvents ignore;
  handle_documents(text.substr(0, text.find_last_not_of(" \t\r\n") + 1), ignore);
}

}  // namespace

ConfigNode parse_yaml(const std::string& text, const std::string& file_name) {
  TreeBuilder builder(file_name);
  try {
    handle_documents(text, builder);
    refuse_open_quote(text);
  } catch (const YAML::Exception& error) {
    SourceLocation location{file_name};
    if (!error.mark.is_null()) location = {file_name, error.mark.line + 1, error.mark.column + 1};
    std::string next = config::tab_hint(text, location.line);
    if (next.empty() && text.find("${") != std::string::npos) {
      next = "inside [ ] and { }, put references in quotes: \"${a.b}\"";
    }
    throw Error(
        {.what = "not valid YAML: " + error.msg, .where = location.to_string(), .next = next});
  }
  return builder.take_root();
}

ConfigNode load_yaml(const std::string& path) {
  return parse_yaml(config::read_config_text(path), path);
}

}  // namespace roboimi
