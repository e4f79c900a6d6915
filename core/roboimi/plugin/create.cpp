// Makes components from config nodes.
#include <fmt/format.h>

#include "roboimi/common/random.h"
#include "roboimi/config/scalar.h"
#include "roboimi/contract/agent.h"
#include "roboimi/contract/backbone.h"
#include "roboimi/contract/communicator.h"
#include "roboimi/contract/dataset.h"
#include "roboimi/contract/environment.h"
#include "roboimi/contract/episode_writer.h"
#include "roboimi/plugin/plugin_file.h"
#include "roboimi/plugin/registry.h"
#include "roboimi/plugin/registry_state.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

using Lock = std::lock_guard<std::recursive_mutex>;

// Selects, checks the options, calls the factory and turns what it throws into an Error.
template <typename Factory, typename... Arguments>
auto create(Registry::State& state, ComponentKind kind, const ConfigNode& node,
            const std::string& path, Arguments&&... arguments) {
  Factory factory;
  const auto selection = [&] {
    const Lock lock(state.mutex);
    auto selected = state.select(kind, node, path);
    factory = state.components.template factory<Factory>(selected.component);
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
