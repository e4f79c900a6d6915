#include <fmt/format.h>

#include "roboimi/common/hash.h"
#include "roboimi/data/embedding_cache.h"
#include "roboimi/plugin/registry.h"

namespace roboimi {

std::string component_identity(Registry& registry, ComponentKind kind, const ConfigNode& node,
                               const std::string& path) {
  const Options options = registry.options_of(kind, node, path);
  const ConfigNode* type = node.find("type");
  const ConfigNode* file = node.find("plugin");
  std::string plugin = file != nullptr && !file->is_null() ? registry.load(file->text()) : "";
  std::string name = type != nullptr ? type->text() : "";
  for (const ComponentInfo& component : registry.components()) {
    if (component.kind != kind) continue;
    if (component.name == name || (name.empty() && component.plugin == plugin)) {
      name = component.name;
      plugin = component.plugin;
    }
  }
  std::string build = "linked in";
  for (const LoadedPlugin& loaded : registry.plugins()) {
    if (loaded.name == plugin && !loaded.file.empty()) {
      build = loaded.version + " sha256 " + sha256_file(loaded.file);
    }
  }
  return fmt::format("{} {} of plugin {} {}\n{}", to_string(kind), name, plugin, build,
                     options.to_node().to_yaml());
}

std::string feature_identity(Registry& registry, const ConfigNode& agent) {
  const ConfigNode* backbone = agent.find("backbone");
  return backbone != nullptr && backbone->is_map()
             ? component_identity(registry, ComponentKind::kBackbone, *backbone, "agent.backbone")
             : component_identity(registry, ComponentKind::kAgent, agent, "agent");
}

}  // namespace roboimi
