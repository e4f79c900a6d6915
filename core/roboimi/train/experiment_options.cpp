#include "roboimi/train/experiment_options.h"

#include <array>

#include "roboimi/config/compose.h"
#include "roboimi/plugin/declared_keys.h"
#include "roboimi/plugin/registry.h"
#include "roboimi/train/experiment.h"

namespace roboimi {
namespace {

// Sections of other commands, which one experiment file may hold as well.
constexpr std::array kOtherSections = {"collect", "suite", "bench"};

// The component's node with every option written out, and so its parts': a later build's other
// defaults do not change what a saved run means. An option without a value is null.
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
  fields.text("name", o.name, "ends the run folder's name");
  fields.integer("seed", o.seed, "of initialisation, batches and every draw in training")
      .at_least(0);
  fields.text("device", o.device, "auto, cpu, cuda or cuda:N");
  fields.path("output_dir", o.output_dir, "where run folders are created");
  fields.component("agent", o.agent, ComponentKind::kAgent, "the policy");
  fields.component("data", o.data, ComponentKind::kDataset, "the demonstrations");
  fields.component("env", o.env, ComponentKind::kEnvironment,
                   "where to roll out; none: no rollouts");
  fields.component("communicator", o.communicator, ComponentKind::kCommunicator,
                   "how the processes of one training talk; none: it has one");
  fields.group("cache", o.cache, "derived data");
  fields.group("train", o.train, "training");
  fields.group("track", o.track, "trackers beside metrics.jsonl and TensorBoard");
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
