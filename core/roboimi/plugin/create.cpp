// Makes components from config nodes.
#include <fmt/format.h>

#include "roboimi/common/random.h"
#include "roboimi/config/scalar.h"
#include "roboimi/contract/agent.h"
#include "roboimi/plugin/plugin_file.h"
#include "roboimi/plugin/registry.h"
#include "roboimi/plugin/registry_state.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

using Lock = std::lock_guard<std::recursive_mutex>;

// For an error about a missing file that an option names: the next step names the option.
Error with_option_of_file(const Error& error, const Schema& schema, const Options& options,
                          const std::string& path) {
  Error::Parts parts = error.parts();
  std::error_code ignored;
  if (!parts.next.empty() || fs::exists(parts.where, ignored)) return error;
  for (const OptionSpec& option : schema.options()) {
    if (option.type != OptionType::kPath || !options.has(option.key)) continue;
    if (options.text(option.key) != parts.where) continue;
    parts.next = fmt::format("set {}.{} to a file that exists", path, option.key);
  }
  return Error(std::move(parts));
}

}  // namespace

std::shared_ptr<void> Registry::create_component(ComponentKind kind, const ConfigNode& node,
                                                 const std::string& path, const Make& make) {
  std::shared_ptr<const void> factory;
  const auto selection = [&] {
    const Lock lock(state_->mutex);
    auto selected = state_->select(kind, node, path);
    factory = state_->components.factory(selected.component);
    return selected;
  }();
  // Call the factory without the lock: it may create parts, or take a long time.
  const Options options = parse_options(selection.node, selection.component.schema, path);
  const auto failed = [&](const std::string& found) {
    return Error({.what = fmt::format("{}: cannot create the {} '{}'", path, to_string(kind),
                                      selection.component.name),
                  .where = node.location().to_string(),
                  .found = found});
  };
  try {
    auto component = make(factory.get(), options);
    if (component == nullptr) throw failed("a factory that returned nullptr");
    return component;
  } catch (const Error& error) {
    throw factory_error(with_option_of_file(error, selection.component.schema, options, path),
                        path);
  } catch (const std::exception& error) {
    throw failed(one_line_message(error));
  } catch (...) {
    throw failed("an exception that is not a std::exception");
  }
}

std::shared_ptr<Agent> Registry::create_agent(const ConfigNode& node, const std::string& path,
                                              const ObservationSpec& spec, std::uint64_t seed) {
  const SeededConstruction guard(seed);
  return create<Agent>(node, path, spec, *this);
}

ComponentInfo Registry::selected(ComponentKind kind, const ConfigNode& node,
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
  // Make the library's path absolute.
  if (const fs::path library = resolve_plugin_file(selection.node); !library.empty()) {
    selection.node.set("plugin", ConfigNode::scalar(config::escape_references(library.string()),
                                                    selection.node.find("plugin")->location(),
                                                    /*quoted=*/true));
  }
  // Resolve the parts.
  for (const OptionSpec& option : selection.component.schema.options()) {
    ConfigNode* part = selection.node.find(option.key);
    if (option.type != OptionType::kComponent || part == nullptr || part->is_null()) continue;
    *part = resolved(option.component_kind, *part, path + "." + option.key);
  }
  return selection.node;
}

}  // namespace roboimi
