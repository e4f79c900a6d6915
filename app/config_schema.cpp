#include "app/config_schema.h"

#include "app/collect_options.h"
#include "roboimi/plugin/declared_keys.h"
#include "roboimi/plugin/registry.h"
#include "roboimi/train/experiment.h"

namespace roboimi::app {

Schema schema_of_config(const ConfigNode& root) {
  return root.find("writer") != nullptr ? schema_of<CollectionOptions>() : experiment_schema();
}

void check_sections(const ConfigNode& root) {
  if (root.find("writer") != nullptr) {
    parse_options(root, schema_of<CollectionOptions>());
  } else {
    experiment_options(root);
  }
}

ComposedConfig compose_any(const std::string& config, const std::vector<std::string>& overrides,
                           const std::vector<std::filesystem::path>& config_dirs,
                           const std::vector<std::filesystem::path>& plugin_dirs) {
  return compose_config(config, overrides, config_dirs, [&](const ConfigNode& root) {
    Registry::instance().load_search_path(plugin_dirs);
    return declared_keys(schema_of_config(root), root);
  });
}

}  // namespace roboimi::app
