#include "roboimi/config/overrides.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "roboimi/common/error.h"
#include "roboimi/common/text.h"
#include "roboimi/config/describe.h"
#include "roboimi/config/scalar.h"
#include "roboimi/config/search.h"
#include "roboimi/config/unknown_key.h"

namespace roboimi::config {
namespace {

constexpr const char* kCommandLine = "command line";

void collect_paths(const ConfigNode& node, const std::string& prefix,
                   std::vector<std::string>& paths) {
  for (const auto& [key, value] : node.entries()) {
    const std::string path = prefix.empty() ? key : prefix + "." + key;
    paths.push_back(path);
    collect_paths(value, path, paths);
  }
}

void set_locations(ConfigNode& node, const SourceLocation& location) {
  node.set_location(location);
  for (ConfigNode& item : node.items()) set_locations(item, location);
  for (auto& [key, value] : node.entries()) set_locations(value, location);
}

bool is_control(char letter) { return static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f; }

// A value must be one line of UTF-8, so that it can be saved in a config.
void require_one_line(const std::string& text) {
  const bool is_line = std::none_of(
      text.begin(), text.end(), [](char letter) { return letter != '\t' && is_control(letter); });
  if (is_line && is_utf8(text)) return;
  throw Error({.what = "the override '" + printable(text) +
                       "': " + (is_line ? "not UTF-8" : "a control character in the value"),
               .where = kCommandLine,
               .expected = "one line of UTF-8"});
}

void replace_in_strings(ConfigNode& node, const std::string& from, const std::string& to) {
  if (node.is_scalar()) {
    node = ConfigNode::scalar(replace_all(node.text(), from, to), node.location(), node.quoted());
  }
  for (ConfigNode& item : node.items()) replace_in_strings(item, from, to);
  for (auto& [key, value] : node.entries()) {
    key = replace_all(key, from, to);
    replace_in_strings(value, from, to);
  }
}

// Parses a list, a table or a quoted string. Another character replaces '#' during parsing, because
// '#' does not begin a comment in a value.
ConfigNode parse_structured(const std::string& value) {
  std::string stand_in = "\uE000";
  while (value.find(stand_in) != std::string::npos) ++stand_in.back();
  ConfigNode node = parse_yaml(replace_all(value, "#", stand_in), kCommandLine);
  replace_in_strings(node, stand_in, "#");
  return node;
}

// Parses one YAML value. A value that does not begin like a list, a table, a quoted string or a tag
// is used as written: `set #2`, `a: b` and `*.ckpt` are strings.
ConfigNode read_value(const std::string& value) {
  const std::size_t begin = value.find_first_not_of(" \t");
  if (begin == std::string::npos) return {};
  if (std::string_view("[{\"'!").find(value[begin]) != std::string_view::npos) {
    return parse_structured(value);
  }
  const std::string text = value.substr(begin, value.find_last_not_of(" \t") + 1 - begin);
  return reads_as_null(text) ? ConfigNode() : ConfigNode::scalar(text);
}

ConfigNode parse_value(const std::string& text, const std::string& value) {
  require_one_line(text);
  try {
    ConfigNode node = read_value(value);
    set_locations(node, {kCommandLine});
    return node;
  } catch (const Error& error) {
    throw Error({.what = "the override '" + printable(text) + "': " + error.parts().what,
                 .where = kCommandLine,
                 .expected = error.parts().expected,
                 .next = "values are YAML: put a string with special characters in quotes, as in "
                         "'name=\"a: b\"'"});
  }
}

bool is_key(const std::string& key) {
  const auto is_blank = [](char letter) { return letter == ' ' || is_control(letter); };
  if (key.empty() || std::any_of(key.begin(), key.end(), is_blank)) return false;
  for (const char separator : {'.', '/'}) {
    const std::string doubled(2, separator);
    if (key.front() == separator || key.back() == separator) return false;
    if (key.find(doubled) != std::string::npos) return false;
  }
  return true;
}

// Whether `key` lies in the table of a component whose library is not loaded yet, so that its
// options are unknown.
bool is_below_plugin(const ConfigNode& root, const std::string& key) {
  for (std::size_t dot = key.find('.'); dot != std::string::npos; dot = key.find('.', dot + 1)) {
    const ConfigNode* table = root.find_path(key.substr(0, dot));
    if (table != nullptr && table->find("plugin") != nullptr) return true;
  }
  return false;
}

[[noreturn]] void fail_unknown(const ConfigNode& root, const Override& change,
                               const DeclaredKeys& declared) {
  std::vector<std::string> known = all_paths(root);
  const std::vector<std::string> keys = declared ? declared(root) : std::vector<std::string>();
  known.insert(known.end(), keys.begin(), keys.end());
  fail_unknown_key(change, known, !declared || is_below_plugin(root, change.key));
}

// The table whose component `key` chooses: "agent.backbone" for "agent.backbone.type".
std::optional<std::string> component_of_type(const std::string& key) {
  constexpr std::string_view kType = ".type";
  if (!key.ends_with(kType)) return std::nullopt;
  return key.substr(0, key.size() - kType.size());
}

// `a.b.plugin=FILE` replaces the component in `a.b`, a table with a `type`. Its keys are then those
// of the schema of the new component, which is not loaded yet. Returns whether `key` is one of
// them.
bool is_of_replaced_component(const ConfigNode& root, const std::string& key) {
  for (std::size_t dot = key.find('.'); dot != std::string::npos; dot = key.find('.', dot + 1)) {
    const ConfigNode* table = root.find_path(key.substr(0, dot));
    if (table == nullptr || !table->is_map()) return false;
    if (table->find("type") != nullptr && key.substr(dot + 1) == "plugin") return true;
    const ConfigNode* plugin = table->find("plugin");
    if (plugin != nullptr && plugin->location().file == kCommandLine) return true;
  }
  return false;
}

// If no file sets the key of `a.b=c`, its component or section must declare it.
void require_declared(const ConfigNode& root, const Override& change,
                      const DeclaredKeys& declared) {
  if (is_of_replaced_component(root, change.key)) return;
  const std::vector<std::string> keys = declared ? declared(root) : std::vector<std::string>();
  const auto is_declared = [&](const std::string& key) {
    return std::ranges::find(keys, key) != keys.end();
  };
  if (is_declared(change.key)) return;
  // `env.type=NAME` chooses a component where the config has none.
  const auto component = component_of_type(change.key);
  if (component && is_declared(*component)) return;
  fail_unknown(root, change, declared);
}

// After `a.type=NAME`: removes the options of the former component from `a`, except those of the
// command line and components that the new one has too. If the new one has all of the options, they
// are kept.
void drop_former_options(ConfigNode& root, const std::string& component,
                         const DeclaredKeys& declared) {
  if (!declared) return;
  const std::vector<std::string> keys = declared(root);
  const auto is_declared = [&](const auto& entry) {
    const std::string path = component + "." + entry.first;
    return entry.first == "type" || std::ranges::any_of(keys, [&](const std::string& key) {
             return key == path || key.starts_with(path + ".");
           });
  };
  auto& entries = const_cast<ConfigNode*>(root.find_path(component))->entries();
  if (std::ranges::all_of(entries, is_declared)) return;
  std::erase_if(entries, [&](const auto& entry) {
    if (entry.first == "type" || entry.second.location().file == kCommandLine) return false;
    const bool is_component = entry.second.is_map() && entry.second.find("type") != nullptr;
    return !is_component || !is_declared(entry);
  });
}

// `+a.b.c` must not replace a number at `a.b` by a map.
void require_room(const ConfigNode& root, const std::string& key) {
  for (std::size_t dot = key.find('.'); dot != std::string::npos; dot = key.find('.', dot + 1)) {
    const ConfigNode* ancestor = root.find_path(key.substr(0, dot));
    if (ancestor == nullptr) return;
    if (ancestor->is_map() || ancestor->is_null()) continue;
    if (ancestor->is_sequence() && root.find_path(key) != nullptr) continue;
    throw Error({.what = "cannot add '" + printable(key) + "'",
                 .where = kCommandLine,
                 .expected = "a table at '" + printable(key.substr(0, dot)) + "'",
                 .found = describe(*ancestor)});
  }
}

}  // namespace

bool Override::may_choose_group() const {
  const bool name = value.is_null() || (value.is_scalar() && !value.text().empty());
  return name && key.find('.') == std::string::npos && action != Action::kChangeOrAdd;
}

int Override::depth_of_type() const {
  if (action == Action::kRemove || !component_of_type(key)) return std::numeric_limits<int>::max();
  return static_cast<int>(std::ranges::count(key, '.'));
}

Override parse_override(const std::string& text) {
  Override change;
  change.text = text;
  std::size_t begin = 0;
  if (text.starts_with("++")) {
    change.action = Override::Action::kChangeOrAdd;
    begin = 2;
  } else if (text.starts_with("+")) {
    change.action = Override::Action::kAdd;
    begin = 1;
  } else if (text.starts_with("~")) {
    change.action = Override::Action::kRemove;
    begin = 1;
  }
  const std::size_t equals = text.find('=');
  const bool removes = change.action == Override::Action::kRemove;
  if (equals != std::string::npos) change.key = text.substr(begin, equals - begin);
  if (equals == std::string::npos && removes) change.key = text.substr(begin);
  if (!is_key(change.key) || (removes && equals != std::string::npos)) {
    throw Error({.what = "not an override",
                 .where = kCommandLine,
                 .expected = "KEY=VALUE, +KEY=VALUE, ++KEY=VALUE, ~KEY or GROUP=NAME",
                 .found = "'" + printable(text) + "'",
                 .next = equals == std::string::npos || text == "="
                             ? "write KEY=VALUE without spaces around '='"
                             : ""});
  }
  if (!removes) change.value = parse_value(text, text.substr(equals + 1));
  return change;
}

void apply_override(ConfigNode& root, const Override& change, const DeclaredKeys& declared) {
  ConfigNode* existing = const_cast<ConfigNode*>(root.find_path(change.key));
  switch (change.action) {
    case Override::Action::kRemove:
      if (!root.erase_path(change.key)) fail_unknown(root, change, declared);
      return;
    case Override::Action::kChange:
      if (existing == nullptr) require_declared(root, change, declared);
      break;
    case Override::Action::kAdd:
      if (existing != nullptr) {
        throw Error({.what = "'" + printable(change.key) + "' already exists",
                     .where = kCommandLine,
                     .found = describe(*existing) + " from " + existing->location().to_string(),
                     .next = "remove the '+' to change it"});
      }
      break;
    case Override::Action::kChangeOrAdd:
      break;
  }
  if (existing != nullptr) {
    const auto component = component_of_type(change.key);
    const bool is_other = component && existing->text() != change.value.text();
    merge_into(*existing, change.value);
    if (is_other) drop_former_options(root, *component, declared);
    return;
  }
  require_room(root, change.key);
  root.set_path(change.key, change.value);
}

void merge_into(ConfigNode& base, const ConfigNode& later) {
  if (!base.is_map() || !later.is_map()) {
    base = later;
    return;
  }
  for (const auto& [key, value] : later.entries()) {
    if (ConfigNode* existing = base.find(key)) {
      merge_into(*existing, value);
    } else {
      base.set(key, value);
    }
  }
}

std::vector<std::string> all_paths(const ConfigNode& root) {
  std::vector<std::string> paths;
  collect_paths(root, "", paths);
  return paths;
}

}  // namespace roboimi::config
