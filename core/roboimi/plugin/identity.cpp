#include "roboimi/plugin/identity.h"

#include <fmt/format.h>

#include <filesystem>

#include "roboimi/common/hash.h"
#include "roboimi/plugin/registry.h"

namespace roboimi {
namespace {

ConfigNode as_scalar(const std::string& text) {
  return ConfigNode::scalar(text, {}, /*quoted=*/true);
}

// The hash of a file's contents, since results do not depend on its path. Empty if there is no
// file.
std::string contents_of(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored) ? "sha256 " + sha256_file(path) : "";
}

// The values of the options on which results depend.
ConfigNode values_of(Registry& registry, const Options& options, const Schema& schema,
                     ComponentKind kind, const std::string& path) {
  ConfigNode values = options.to_node();
  for (const OptionSpec& spec : schema.options()) {
    if (!options.has(spec.key)) continue;
    if (!spec.in_cache_keys) {
      values.erase_path(spec.key);
      continue;
    }
    const std::string key_path = path + "." + spec.key;
    if (spec.type == OptionType::kPath) {
      values.set(
          spec.key,
          as_scalar(kind == ComponentKind::kDataset ? "" : contents_of(options.text(spec.key))));
    } else if (spec.type == OptionType::kGroup) {
      values.set(spec.key,
                 values_of(registry, options.group(spec.key), spec.group.front(), kind, key_path));
    } else if (spec.type == OptionType::kComponent) {
      const ComponentIdentity part =
          component_identity(registry, spec.component_kind, options.component(spec.key), key_path);
      values.set(spec.key,
                 as_scalar(fmt::format("{} {} {}", part.component, part.build, part.options)));
    }
  }
  return values;
}

std::string build_of(const Registry& registry, const ComponentInfo& component) {
  for (const LoadedPlugin& loaded : registry.plugins()) {
    if (component.file.empty() || loaded.file != component.file) continue;
    // The loaded code is no longer the code in the file.
    const std::string contents =
        loaded.changed_on_disk ? "replaced since it was loaded" : sha256_file(loaded.file);
    return fmt::format("{} sha256 {}", loaded.version, contents);
  }
  return "linked in";
}

}  // namespace

ComponentIdentity component_identity(Registry& registry, ComponentKind kind, const ConfigNode& node,
                                     const std::string& path) {
  const ComponentInfo component = registry.selected(kind, node, path);
  const Options options = registry.options_of(kind, node, path);
  return {.component = fmt::format("{} '{}' of plugin '{}'", to_string(kind), component.name,
                                   component.plugin),
          .build = build_of(registry, component),
          .options = values_of(registry, options, component.schema, kind, path).to_yaml()};
}

ComponentIdentity feature_identity(Registry& registry, const ConfigNode& agent) {
  const ConfigNode* backbone = agent.find("backbone");
  return backbone != nullptr && backbone->is_map()
             ? component_identity(registry, ComponentKind::kBackbone, *backbone, "agent.backbone")
             : component_identity(registry, ComponentKind::kAgent, agent, "agent");
}

}  // namespace roboimi
