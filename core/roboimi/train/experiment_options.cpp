#include "roboimi/train/experiment_options.h"

#include <array>

#include "roboimi/config/compose.h"
#include "roboimi/plugin/declared_keys.h"
#include "roboimi/plugin/registry.h"
#include "roboimi/train/experiment.h"

namespace roboimi {
namespace {

// Sections of other commands, which an experiment file may also contain.
constexpr std::array kOtherSections = {"collect", "suite", "bench"};

// The component's node, and its parts', with the value of every option, so that other defaults in a
// later build do not change a saved run. An option without a value is null.
ConfigNode with_defaults(ComponentKind kind, ConfigNode node, const std::string& path) {
  Registry& registry = Registry::instance();
  const ConfigNode values = registry.options_of(kind, node, path).to_node();
  for (const ComponentInfo& component : registry.components()) {
    const ConfigNode* type = node.find("type");
    if (component.kind != kind || type == nullptr || component.name != type->text()) continue;
    for (const OptionSpec& option : component.schema.options()) {
      const ConfigNode* value = values.find(option.key);
      const bool is_part = option.type == OptionType::kComponent;
      if (value == nullptr || (is_part && value->is_null())) continue;
      node.set(
          option.key,
          is_part ? with_defaults(option.component_kind, *value, path + "." + option.key) : *value);
    }
  }
  return node;
}

}  // namespace

void declare(OptionFields& fields, ExperimentOptions& o) {
  fields.text("name", o.name, "name of the run; its folder is <output_dir>/<date>_<time>_<name>");
  fields
      .integer("seed", o.seed,
               "seed of the weights' initialization, the order of batches and all other random "
               "numbers in training")
      .at_least(0);
  fields.text("device", o.device,
              "`cpu`, `cuda`, `cuda:N`, or `auto`: CUDA if available, otherwise the CPU");
  fields.path("output_dir", o.output_dir, "folder in which run folders are created");
  fields.component("agent", o.agent, ComponentKind::kAgent, "agent to train");
  fields.component("data", o.data, ComponentKind::kDataset, "dataset of demonstrations");
  fields.component("env", o.env, ComponentKind::kEnvironment,
                   "environment for rollouts; null: no rollouts");
  fields.component("communicator", o.communicator, ComponentKind::kCommunicator,
                   "connection between the processes of one training; null: a single process");
  fields.group("cache", o.cache, "cache of encoded and decoded frames");
  fields.group("train", o.train, "training loop");
  fields.group("track", o.track, "trackers besides metrics.jsonl and TensorBoard");
}

Schema experiment_schema() { return schema_of<ExperimentOptions>(); }

ComposedConfig compose_experiment(const std::string& config,
                                  const std::vector<std::string>& overrides,
                                  const std::vector<std::filesystem::path>& config_dirs) {
  return compose_config(config, overrides, config_dirs, [](const ConfigNode& root) {
    return declared_keys(experiment_schema(), root);
  });
}

Options experiment_options(const ConfigNode& root) {
  ConfigNode own = root;
  for (const char* section : kOtherSections) own.erase_path(section);
  return parse_options(own, experiment_schema());
}

ConfigNode resolved_experiment(const Options& options, const ConfigNode& root) {
  ConfigNode resolved = options.to_node();
  Registry& registry = Registry::instance();
  const auto set = [&](const char* key, ComponentKind kind) {
    if (const ConfigNode* node = root.find(key); node != nullptr && !node->is_null()) {
      resolved.set(key, with_defaults(kind, registry.resolved(kind, *node, key), key));
    }
  };
  set("agent", ComponentKind::kAgent);
  set("data", ComponentKind::kDataset);
  set("env", ComponentKind::kEnvironment);
  set("communicator", ComponentKind::kCommunicator);
  return resolved;
}

}  // namespace roboimi
