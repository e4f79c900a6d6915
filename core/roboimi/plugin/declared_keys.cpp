#include "roboimi/plugin/declared_keys.h"

#include <algorithm>

#include "roboimi/plugin/registry.h"

namespace roboimi {
namespace {

const ComponentInfo* chosen(const std::vector<ComponentInfo>& components, ComponentKind kind,
                            const ConfigNode* node) {
  const ConfigNode* type = node != nullptr ? node->find("type") : nullptr;
  if (type == nullptr || !type->is_scalar()) return nullptr;
  const auto found = std::ranges::find_if(components, [&](const ComponentInfo& component) {
    return component.kind == kind && component.name == type->text();
  });
  return found == components.end() ? nullptr : &*found;
}

// `node` is the table at `prefix`, or null if the config has none.
void add_keys(const Schema& schema, const ConfigNode* node, const std::string& prefix,
              const std::vector<ComponentInfo>& components, std::vector<std::string>& keys) {
  for (const OptionSpec& option : schema.options()) {
    const std::string key = prefix + option.key;
    const ConfigNode* value = node != nullptr ? node->find(option.key) : nullptr;
    keys.push_back(key);
    for (const Schema& group : option.group) add_keys(group, value, key + ".", components, keys);
    if (option.type != OptionType::kComponent) continue;
    if (const ComponentInfo* part = chosen(components, option.component_kind, value)) {
      add_keys(part->schema, value, key + ".", components, keys);
    }
  }
}

}  // namespace

std::vector<std::string> declared_keys(const Schema& schema, const ConfigNode& root) {
  std::vector<std::string> keys;
  add_keys(schema, &root, "", Registry::instance().components(), keys);
  return keys;
}

}  // namespace roboimi
