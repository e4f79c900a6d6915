// From a config node to a component.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include "roboimi/common/random.h"
#include "roboimi/config/did_you_mean.h"
#include "roboimi/config/scalar.h"
#include "roboimi/data/dataset.h"
#include "roboimi/data/episode_writer.h"
#include "roboimi/env/environment.h"
#include "roboimi/model/agent.h"
#include "roboimi/model/backbone.h"
#include "roboimi/plugin/plugin_file.h"
#include "roboimi/plugin/registry.h"
#include "roboimi/plugin/registry_state.h"
#include "roboimi/train/communicator.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

using Lock = std::lock_guard<std::recursive_mutex>;

constexpr char kCommandLine[] = "command line";  // SourceLocation::file of an override

// The text of a scalar child; empty when the child is absent or null.
std::string text_of(const ConfigNode& node, const char* key, const std::string& path) {
  const ConfigNode* child = node.find(key);
  if (child == nullptr || child->is_null()) return "";
  if (!child->is_scalar()) {
    throw Error({.what = fmt::format("{}.{} is no text", path, key),
                 .where = child->location().to_string(),
                 .expected = "a name",
                 .found = child->is_map() ? "a table" : "a list"});
  }
  return child->text();
}

std::string joined(const std::vector<std::string>& names) {
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

// What may explain that a component is missing: files that were rejected, folders searched.
std::string search_hint(const Registry::State& state) {
  std::vector<std::string> rejected, searched;
  for (const auto& known : state.rejected) {
    rejected.push_back(known.plugin.file.filename().string());
  }
  for (const fs::path& folder : state.searched) searched.push_back(folder.string());
  std::string hint = fmt::format("plugin folders searched: {}", joined(searched));
  if (!rejected.empty()) {
    hint += fmt::format("; rejected: {} (`roboimi plugins list` says why)", joined(rejected));
  }
  return hint;
}

Error unknown_type(const Registry::State& state, ComponentKind kind, const ConfigNode& node,
                   const std::string& type, const std::string& path) {
  const auto names = state.components.names(kind);
  std::string next = did_you_mean(type, names);
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

// The library that `plugin:` names has no component of the wanted name, and not exactly one.
Error no_choice(const Registry::State& state, ComponentKind kind, const ConfigNode& node,
                const std::string& type, const std::string& plugin, const std::string& path) {
  std::vector<std::string> provided;
  for (const ComponentInfo& info : state.components.infos()) {
    if (info.plugin != plugin) continue;
    provided.push_back(fmt::format("{} '{}'", to_string(info.kind), info.name));
  }
  return Error(
      {.what = type.empty() ? fmt::format("{}: the plugin '{}' leaves open which {} is meant", path,
                                          plugin, to_string(kind))
                            : fmt::format("{}: the plugin '{}' has no {} '{}'", path, plugin,
                                          to_string(kind), type),
       .where = node.find("plugin")->location().to_string(),
       .expected = fmt::format("a {} of that library", to_string(kind)),
       .found = joined(provided),
       .next =
           fmt::format("set {}.type to one of them, or {}.plugin to another library", path, path)});
}

// What is left of `node` when a component takes the place of the type written there: the options of
// files were meant for that type, those of the command line for this library.
ConfigNode substituted(const ConfigNode& node, std::vector<std::string>& passed_over) {
  ConfigNode kept = ConfigNode::map(node.location());
  for (const auto& [key, value] : node.entries()) {
    if (key == "plugin" || value.location().file == kCommandLine) {
      kept.set(key, value);
    } else if (key != "type") {
      passed_over.push_back(key);
    }
  }
  return kept;
}

// An Error of a factory, saying which node it was made for, once.
Error factory_error(const Error& error, const std::string& path) {
  Error::Parts parts = error.parts();
  const bool named =
      parts.what.starts_with(path) || parts.what.find(path + ".") != std::string::npos;
  if (!named) parts.what = path + ": " + parts.what;
  return Error(std::move(parts));
}

// Selects, checks the options, calls the factory and turns what it throws into an Error.
template <typename Factory, typename... Arguments>
auto create(Registry::State& state, ComponentKind kind, const ConfigNode& node,
            const std::string& path, Arguments&&... arguments) {
  Factory factory;
  const auto selection = [&] {
    const Lock lock(state.mutex);
    auto selected = state.select(kind, node, path);
    factory = state.components.template factory<Factory>(selected.component.name);
    return selected;
  }();
  const Options options = parse_options(selection.node, selection.component.schema, path);
  const auto failed = [&](const std::string& found) {
    return Error({.what = fmt::format("{}: cannot make the {} '{}'", path, to_string(kind),
                                      selection.component.name),
                  .where = node.location().to_string(),
                  .found = found});
  };
  try {
    auto component = factory(options, std::forward<Arguments>(arguments)...);
    if (component == nullptr) throw failed("a factory that returned nothing");
    return component;
  } catch (const Error& error) {
    throw factory_error(error, path);
  } catch (const std::exception& error) {
    throw failed(one_line_message(error));
  } catch (...) {
    throw failed("something thrown that is not a std::exception");
  }
}

}  // namespace

Registry::State::Selection Registry::State::select(ComponentKind kind, const ConfigNode& node,
                                                   const std::string& path) {
  if (!node.is_map()) {
    throw Error({.what = fmt::format("{} is no {}", path, to_string(kind)),
                 .where = node.location().to_string(),
                 .expected = "a table with `type: NAME` and its options",
                 .found = node.is_null()       ? "nothing"
                          : node.is_sequence() ? "a list"
                                               : "'" + node.text() + "'"});
  }
  const std::string type = text_of(node, "type", path);
  const std::string file = text_of(node, "plugin", path);
  Selection selection{.component = {}, .node = node};
  if (file.empty()) {
    const ComponentInfo* info = components.find(kind, type);
    if (info == nullptr) throw unknown_type(*this, kind, node, type, path);
    selection.component = *info;
    return selection;
  }

  std::string plugin;
  try {
    plugin = load(resolve_plugin_file(node));
  } catch (const Error& error) {
    throw factory_error(error, path + ".plugin");
  }
  const auto provided = components.of_plugin(kind, plugin);
  const auto named = std::find_if(provided.begin(), provided.end(),
                                  [&](const ComponentInfo* info) { return info->name == type; });
  if (named != provided.end()) {
    selection.component = **named;
    return selection;
  }
  if (provided.size() != 1) throw no_choice(*this, kind, node, type, plugin, path);
  selection.component = *provided.front();
  if (!type.empty()) {
    std::vector<std::string> passed_over;
    selection.node = substituted(node, passed_over);
    // Once, though a run resolves, checks and makes the same node.
    if (substitutions_told.insert(path + " " + type + " " + file).second) {
      spdlog::info(
          "{}: taking the {} '{}' of {} in the place of '{}'; passing over its options: {}", path,
          to_string(kind), selection.component.name, file, type, joined(passed_over));
    }
  }
  selection.node.set("type", ConfigNode::scalar(selection.component.name, node.location()));
  return selection;
}

std::shared_ptr<Backbone> Registry::create_backbone(const ConfigNode& node, const std::string& path,
                                                    const ObservationSpec& spec) {
  return create<BackboneFactory>(*state_, ComponentKind::kBackbone, node, path, spec);
}

std::shared_ptr<Head> Registry::create_head(const ConfigNode& node, const std::string& path,
                                            const HeadSpec& spec) {
  return create<HeadFactory>(*state_, ComponentKind::kHead, node, path, spec);
}

std::shared_ptr<Agent> Registry::create_agent(const ConfigNode& node, const std::string& path,
                                              const ObservationSpec& spec, std::uint64_t seed) {
  const SeededConstruction guard(seed);
  return create<AgentFactory>(*state_, ComponentKind::kAgent, node, path, spec, *this);
}

std::shared_ptr<Dataset> Registry::create_dataset(const ConfigNode& node, const std::string& path) {
  return create<DatasetFactory>(*state_, ComponentKind::kDataset, node, path);
}

std::shared_ptr<EpisodeWriter> Registry::create_episode_writer(const ConfigNode& node,
                                                               const std::string& path) {
  return create<EpisodeWriterFactory>(*state_, ComponentKind::kEpisodeWriter, node, path);
}

std::shared_ptr<Environment> Registry::create_environment(const ConfigNode& node,
                                                          const std::string& path) {
  return create<EnvironmentFactory>(*state_, ComponentKind::kEnvironment, node, path);
}

std::shared_ptr<Communicator> Registry::create_communicator(const ConfigNode& node,
                                                            const std::string& path) {
  return create<CommunicatorFactory>(*state_, ComponentKind::kCommunicator, node, path);
}

ComponentInfo Registry::component_of(ComponentKind kind, const ConfigNode& node,
                                     const std::string& path) {
  const Lock lock(state_->mutex);
  return state_->select(kind, node, path).component;
}

Options Registry::options_of(ComponentKind kind, const ConfigNode& node, const std::string& path) {
  const Lock lock(state_->mutex);
  const auto selection = state_->select(kind, node, path);
  return parse_options(selection.node, selection.component.schema, path);
}

ConfigNode Registry::resolved(ComponentKind kind, const ConfigNode& node, const std::string& path) {
  const Lock lock(state_->mutex);
  auto selection = state_->select(kind, node, path);
  if (const fs::path library = resolve_plugin_file(selection.node); !library.empty()) {
    selection.node.set("plugin", ConfigNode::scalar(config::escape_references(library.string()),
                                                    selection.node.find("plugin")->location(),
                                                    /*quoted=*/true));
  }
  for (const OptionSpec& option : selection.component.schema.options()) {
    ConfigNode* part = selection.node.find(option.key);
    if (option.type != OptionType::kComponent || part == nullptr || part->is_null()) continue;
    *part = resolved(option.component_kind, *part, path + "." + option.key);
  }
  return selection.node;
}

}  // namespace roboimi
