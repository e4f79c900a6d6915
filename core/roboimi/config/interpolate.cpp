#include "roboimi/config/interpolate.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <sstream>

#include "roboimi/common/error.h"
#include "roboimi/common/paths.h"
#include "roboimi/common/text.h"
#include "roboimi/config/describe.h"
#include "roboimi/config/did_you_mean.h"
#include "roboimi/config/overrides.h"
#include "roboimi/config/scalar.h"
#include "roboimi/config/search.h"

namespace roboimi::config {
namespace {

// Limits far above any real config. References that double a string or list exceed them quickly.
constexpr std::size_t kMostResolvedBytes = 16 << 20;
constexpr std::size_t kBytesOfANode = 64;
constexpr std::size_t kMostActive = 100;

// The next "${" that is not escaped by a backslash.
std::size_t find_reference(const std::string& text, std::size_t from) {
  std::size_t at = text.find("${", from);
  while (at != std::string::npos && at > 0 && text[at - 1] == '\\') at = text.find("${", at + 2);
  return at;
}

// "a.b": the path of a key.
bool is_plain(const std::string& name) {
  return !name.empty() && name.front() != '.' && name.back() != '.' &&
         name.find("..") == std::string::npos && name.find_first_of("${: ") == std::string::npos;
}

class Interpolator {
 public:
  Interpolator(const ConfigNode& root, const DeclaredKeys& declared)
      : root_(root), declared_(declared) {}

  ConfigNode resolve(const ConfigNode& node, int depth) {
    add_size(node);
    if (depth > kMaxConfigDepth) fail(node, "references make the config too deep");
    if (node.is_scalar()) return resolve_scalar(node, depth);
    ConfigNode result = node;
    std::erase_if(result.entries(), [&](const auto& entry) { return is_unset(entry.second); });
    for (ConfigNode& item : result.items()) item = resolve(item, depth + 1);
    for (auto& [key, value] : result.entries()) {
      keys_.push_back(key);
      value = resolve(value, depth + 1);
      keys_.pop_back();
    }
    return result;
  }

 private:
  [[noreturn]] void fail(const ConfigNode& node, const std::string& what,
                         const std::string& expected = "", const std::string& next = "") const {
    throw Error(
        {.what = what, .where = node.location().to_string(), .expected = expected, .next = next});
  }

  // Whether a value consists of one reference to an option that is declared but not set.
  bool is_unset(const ConfigNode& node) {
    if (!declared_ || !node.is_scalar()) return false;
    const std::string& text = node.text();
    if (!text.starts_with("${") || text.find('}') + 1 != text.size()) return false;
    const std::string name = text.substr(2, text.size() - 3);
    if (!is_plain(name) || root_.find_path(name) != nullptr) return false;
    if (!known_) known_ = declared_(root_);
    return std::ranges::find(*known_, name) != known_->end();
  }

  // Counts the size of the resolved tree.
  void add_size(const ConfigNode& node) {
    size_ += kBytesOfANode + node.text().size();
    if (size_ > kMostResolvedBytes) {
      fail(node, "references make the config too large",
           "at most " + std::to_string(kMostResolvedBytes) + " bytes");
    }
  }

  ConfigNode resolve_scalar(const ConfigNode& node, int depth) {
    const std::string& text = node.text();
    std::size_t at = find_reference(text, 0);
    if (at == std::string::npos) return node;
    std::string result;
    std::size_t begin = 0;
    for (; at != std::string::npos; at = find_reference(text, begin)) {
      const std::size_t end = text.find('}', at);
      if (end == std::string::npos) fail(node, "a reference '${' without its '}'");
      ConfigNode value = reference(node, text.substr(at + 2, end - at - 2), depth);
      if (at == 0 && end + 1 == text.size()) {
        value.set_location(node.location());
        return value;
      }
      if (!value.is_scalar()) {
        fail(node, "'" + printable(text.substr(at, end + 1 - at)) + "' cannot be part of a string",
             "a scalar, but it is " + describe(value));
      }
      result += text.substr(begin, at - begin) + value.text();
      begin = end + 1;
    }
    ConfigNode joined =
        ConfigNode::scalar(result + text.substr(begin), node.location(), node.quoted());
    add_size(joined);
    return joined;
  }

  ConfigNode reference(const ConfigNode& node, const std::string& name, int depth) {
    if (name.starts_with("env:")) return environment(node, name.substr(4));
    if (name.starts_with("file:")) return file(node, name.substr(5));
    if (!is_plain(name)) {
      fail(node, "cannot read the reference '${" + printable(name) + "}'",
           "${a.b} (from the root), ${env:NAME}, ${env:NAME,default} or ${file:PATH}; '\\${' is a "
           "literal '${'");
    }
    const auto first = std::find(active_.begin(), active_.end(), name);
    if (first != active_.end()) {
      std::string chain;
      for (auto step = first; step != active_.end(); ++step) chain += *step + " -> ";
      fail(node, "circular references: " + printable(chain + name));
    }
    if (active_.size() >= kMostActive) fail(node, "the chain of references is too long");
    active_.push_back(name);
    ConfigNode value = look_up(node, name, depth);
    active_.pop_back();
    return value;
  }

  // The value at `name`. A reference on the way to it is resolved first.
  ConfigNode look_up(const ConfigNode& node, const std::string& name, int depth) {
    const ConfigNode* found = &root_;
    ConfigNode resolved;
    bool is_resolved = false;
    std::istringstream segments(name);
    for (std::string segment; std::getline(segments, segment, '.');) {
      if (!is_resolved && found->is_scalar()) {
        resolved = resolve(*found, depth);
        found = &resolved;
        is_resolved = true;
      }
      found = found->find_path(segment);
      if (found == nullptr) {
        fail(node, "unknown reference '${" + printable(name) + "}'", "a key of the config",
             way_out(name));
      }
    }
    return is_resolved ? *found : resolve(*found, depth);
  }

  // What to do about an unknown reference.
  std::string way_out(const std::string& name) const {
    std::string own;
    for (const std::string& key : keys_) own += (own.empty() ? "" : ".") + key;
    std::vector<std::string> others = all_paths(root_);
    std::erase(others, own);
    const std::string near = did_you_mean(name, others);
    if (!near.empty()) return near;
    const std::string table = name.substr(0, name.find('.'));
    const ConfigNode* section = root_.find(table);
    const bool is_absent = section == nullptr || section->is_null();
    const std::string set = is_absent && table != name ? "add '" + printable(table) + "'"
                                                       : "set '" + printable(name) + "'";
    return set + ", or give '" + printable(own) + "' another value";
  }

  // A path relative to the folder of the file that contains the reference.
  static ConfigNode file(const ConfigNode& node, const std::string& path) {
    namespace fs = std::filesystem;
    const fs::path own = fs::absolute(node.location().file).parent_path();
    return ConfigNode::scalar(
        escape_references((own / expand_home(path)).lexically_normal().string()), node.location(),
        /*quoted=*/true);
  }

  ConfigNode environment(const ConfigNode& node, const std::string& body) const {
    const std::size_t comma = body.find(',');
    const std::string name = body.substr(0, comma);
    if (const char* value = std::getenv(name.c_str())) {
      return ConfigNode::scalar(escape_references(value), node.location());
    }
    if (comma == std::string::npos) {
      fail(node, "the environment variable '" + printable(name) + "' is not set", "",
           "set it, or give a default: ${env:" + printable(name) + ",DEFAULT}");
    }
    ConfigNode value = parse_yaml(body.substr(comma + 1), node.location().to_string());
    value.set_location(node.location());
    return value;
  }

  const ConfigNode& root_;
  const DeclaredKeys& declared_;
  std::optional<std::vector<std::string>> known_;  // the declared keys, once they are needed
  std::vector<std::string> keys_;                  // of the value that is resolved
  std::vector<std::string> active_;
  std::size_t size_ = 0;
};

}  // namespace

ConfigNode interpolate(const ConfigNode& root, const DeclaredKeys& declared) {
  return Interpolator(root, declared).resolve(root, 0);
}

}  // namespace roboimi::config
