// Selects the component that a config node names.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "roboimi/common/log.h"
#include "roboimi/config/did_you_mean.h"
#include "roboimi/plugin/registry_state.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

// The string of a scalar child; empty if the child is absent or null.
std::string text_of(const ConfigNode& node, const char* key, const std::string& path) {
  const ConfigNode* child = node.find(key);
  if (child == nullptr || child->is_null()) return "";
  if (!child->is_scalar()) {
    throw Error({.what = fmt::format("{}.{} is not a string", path, key),
                 .where = child->location().to_string(),
                 .expected = "a name",
                 .found = child->is_map() ? "a table" : "a list"});
  }
  return child->text();
}

std::string joined(const std::vector<std::string>& names) {
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

// The searched folders and rejected files, which may explain why a component is missing.
std::string search_hint(const Registry::State& state) {
  std::vector<std::string> rejected, searched;
  for (const auto& known : state.rejected) {
    rejected.push_back(known.plugin.file.filename().string());
  }
  for (const fs::path& folder : state.searched) searched.push_back(folder.string());
  std::string hint = fmt::format("plugin folders searched: {}", joined(searched));
  if (!rejected.empty()) {
    hint += fmt::format("; rejected: {} (`roboimi plugins list` shows why)", joined(rejected));
  }
  return hint;
}

Error unknown_type(const Registry::State& state, ComponentKind kind, const ConfigNode& node,
                   const std::string& type, const std::string& path) {
  const auto names = state.components.names(kind);
  std::string next = did_you_mean_part(type, names);
  if (!next.empty()) next += " ";
  const ConfigNode* place = node.find("type");
  if (kind == ComponentKind::kEnvironment && path == "env") {
    next += "env=null trains without a simulator; ";
  }
  return Error({.what = type.empty()
                            ? fmt::format("{} has no 'type'", path)
                            : fmt::format("{}: unknown {} '{}'", path, to_string(kind), type),
                .where = (place != nullptr ? *place : node).location().to_string(),
                .expected = "type: one of " + joined(names),
                .next = next + search_hint(state)});
}

// The library that `plugin:` names has no component of the given name, and not exactly one of the
// kind.
Error ambiguous_library(const Registry::State& state, ComponentKind kind, const ConfigNode& node,
                        const std::string& type, const LoadedPlugin& plugin,
                        const std::string& path) {
  std::vector<std::string> provided;
  for (const ComponentInfo& info : state.components.infos()) {
    if (info.file != plugin.file) continue;
    provided.push_back(fmt::format("{} '{}'", to_string(info.kind), info.name));
  }
  return Error(
      {.what = type.empty() ? fmt::format("{}: the plugin '{}' does not have exactly one {}", path,
                                          plugin.name, to_string(kind))
                            : fmt::format("{}: the plugin '{}' has no {} '{}'", path, plugin.name,
                                          to_string(kind), type),
       .where = node.find("plugin")->location().to_string(),
       .expected = fmt::format("a {} in that library", to_string(kind)),
       .found = joined(provided),
       .next =
           fmt::format("set {}.type to one of them, or {}.plugin to another library", path, path)});
}

// The node for a component that substitutes the node's `type`. Options from files were meant for
// that type and are removed (`ignored`); options from the command line are kept.
ConfigNode substituted(const ConfigNode& node, std::vector<std::string>& ignored) {
  ConfigNode kept = ConfigNode::map(node.location());
  for (const auto& [key, value] : node.entries()) {
    if (key == "plugin" || value.location().file == kCommandLine) {
      kept.set(key, value);
    } else if (key != "type") {
      ignored.push_back(key);
    }
  }
  return kept;
}

// Logs, once, that a node uses its library's component instead of the usual one of that name.
void log_replacement(Registry::State& state, const ComponentInfo& used, const std::string& path) {
  if (!used.needs_file || !state.is_new(path + " " + used.file.string())) return;
  const ComponentInfo* usual = state.components.find(used.kind, used.name);
  logger().info("{}: using the {} '{}' from {} instead of the one from {}", path,
                to_string(used.kind), used.name, used.file.string(),
                usual->file.empty() ? "this program" : usual->file.string());
}

}  // namespace

Error factory_error(const Error& error, const std::string& path) {
  Error::Parts parts = error.parts();
  const bool named = parts.what.starts_with(path) ||
                     parts.what.find(path + ".") != std::string::npos || parts.where == path ||
                     parts.where.starts_with(path + ".");
  if (!named) parts.what = path + ": " + parts.what;
  return Error(std::move(parts));
}

Registry::State::Selection Registry::State::select(ComponentKind kind, const ConfigNode& node,
                                                   const std::string& path) {
  if (!node.is_map()) {
    throw Error(
        {.what = fmt::format("{} does not name a component of kind '{}'", path, to_string(kind)),
         .where = node.location().to_string(),
         .expected = "a table with `type: NAME` and its options",
         .found = node.is_null()       ? "nothing"
                  : node.is_sequence() ? "a list"
                                       : "'" + node.text() + "'"});
  }
  // Without `plugin:`: the component of that name.
  const std::string type = text_of(node, "type", path);
  const std::string file = text_of(node, "plugin", path);
  Selection selection{.component = {}, .node = node};
  if (file.empty()) {
    const ComponentInfo* info = components.find(kind, type);
    if (info == nullptr) throw unknown_type(*this, kind, node, type, path);
    selection.component = *info;
    return selection;
  }

  // With `plugin:`: the component of that name in the library.
  const Loaded* library = nullptr;
  try {
    library = &library_of(node, path);
  } catch (const Error& error) {
    throw factory_error(error, path + ".plugin");
  }
  const auto provided = components.of_library(kind, library->plugin.file);
  const auto named = std::find_if(provided.begin(), provided.end(),
                                  [&](const ComponentInfo* info) { return info->name == type; });
  if (named != provided.end()) {
    selection.component = **named;
    log_replacement(*this, selection.component, path);
    return selection;
  }
  // Otherwise its only component of the kind.
  if (provided.size() != 1) throw ambiguous_library(*this, kind, node, type, library->plugin, path);
  selection.component = *provided.front();
  if (!type.empty()) {
    std::vector<std::string> ignored;
    selection.node = substituted(node, ignored);
    // Log only once: a run resolves, checks and creates the same node.
    if (is_new(path + " " + type + " " + file)) {
      logger().info("{}: using the {} '{}' from {} instead of '{}'; ignoring these options: {}",
                    path, to_string(kind), selection.component.name, file, type, joined(ignored));
    }
  }
  selection.node.set("type", ConfigNode::scalar(selection.component.name, node.location()));
  return selection;
}

}  // namespace roboimi
