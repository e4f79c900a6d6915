// What stands in an experiment's file.
#include <array>

#include "roboimi/plugin/registry.h"
#include "roboimi/track/swanlab_follower.h"
#include "roboimi/train/experiment.h"
#include "roboimi/train/train_options.h"
#include "roboimi/train/training_data.h"

namespace roboimi {
namespace {

// Sections of other commands, which one experiment file may hold as well.
constexpr std::array kOtherSections = {"collect", "suite", "bench"};

// The component's node with every default written out, and so its parts': a later build's other
// defaults do not change what a saved run means.
ConfigNode with_defaults(ComponentKind kind, ConfigNode node, const std::string& path) {
  Registry& registry = Registry::instance();
  const ConfigNode values = registry.options_of(kind, node, path).to_node();
  for (const ComponentInfo& component : registry.components()) {
    const ConfigNode* type = node.find("type");
    if (component.kind != kind || type == nullptr || component.name != type->text()) continue;
    for (const OptionSpec& option : component.schema.options()) {
      const ConfigNode* value = values.find(option.key);
      if (value == nullptr || value->is_null()) continue;
      node.set(option.key,
               option.type != OptionType::kComponent
                   ? *value
                   : with_defaults(option.component_kind, *value, path + "." + option.key));
    }
  }
  return node;
}

}  // namespace

Schema experiment_schema() {
  Schema s;
  s.text("name", "run", "ends the run folder's name");
  s.integer("seed", 0, "of initialisation, batches and every draw in training").at_least(0);
  s.text("device", "auto", "auto, cpu, cuda or cuda:N");
  s.text("output_dir", "runs", "where run folders are created").type = OptionType::kPath;
  s.component("agent", ComponentKind::kAgent, "the policy");
  s.component("data", ComponentKind::kDataset, "the demonstrations");
  s.optional_component("env", ComponentKind::kEnvironment, "where to roll out; none: no rollouts");
  s.optional_component("communicator", ComponentKind::kCommunicator,
                       "how the processes of one training talk; none: it has one");
  s.group("cache", cache_schema(), "derived data");
  s.group("train", train_schema(), "training");
  s.group("track", track_schema(), "trackers beside metrics.jsonl and TensorBoard");
  return s;
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
