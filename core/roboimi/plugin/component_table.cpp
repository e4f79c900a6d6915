#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "roboimi/plugin/registry_state.h"

namespace roboimi {
namespace {

void check_complete(const RegisteredComponent& component) {
  const char* kind = to_string(component.kind);
  if (component.name.empty()) {
    throw Error({.what = fmt::format("it registers a {} without a name", kind),
                 .next = "give the component a name, for `type:` in a config"});
  }
  if (component.factory == nullptr) {
    throw Error(
        {.what = fmt::format("it registers the {} '{}' without a factory", kind, component.name),
         .next = "set the component's `create`"});
  }
}

}  // namespace

void ComponentTable::add(const std::string& plugin, const std::filesystem::path& file,
                         const Registrar& registrar, TakenName taken) {
  // Check everything before adding anything.
  std::set<std::pair<ComponentKind, std::string>> seen;
  for (const RegisteredComponent& component : registrar.components()) {
    check_complete(component);
    const ComponentInfo* earlier =
        taken == TakenName::kError ? find(component.kind, component.name) : nullptr;
    if (earlier == nullptr && seen.emplace(component.kind, component.name).second) continue;
    const char* kind = to_string(component.kind);
    throw Error({.what = fmt::format("the {} '{}' is already registered", kind, component.name),
                 .expected = fmt::format("a unique name for each {}", kind),
                 .found = fmt::format("one from the plugin '{}'",
                                      earlier != nullptr ? earlier->plugin : plugin),
                 .next = "rename the component, or remove one of the plugins"});
  }
  // Add the components, sorted by kind.
  std::vector<RegisteredComponent> components = registrar.components();
  std::ranges::stable_sort(components, {}, &RegisteredComponent::kind);
  for (RegisteredComponent& component : components) {
    factories_.emplace(Key(component.kind, file, component.name), component.factory);
    infos_.push_back({.kind = component.kind,
                      .name = component.name,
                      .description = component.description,
                      .plugin = plugin,
                      .schema = std::move(component.schema),
                      .file = file,
                      .needs_file = find(component.kind, component.name) != nullptr,
                      .check = std::move(component.check)});
  }
}

const ComponentInfo* ComponentTable::find(ComponentKind kind, const std::string& name) const {
  for (const ComponentInfo& info : infos_) {
    if (info.kind == kind && info.name == name && !info.needs_file) return &info;
  }
  return nullptr;
}

std::vector<const ComponentInfo*> ComponentTable::of_library(
    ComponentKind kind, const std::filesystem::path& file) const {
  std::vector<const ComponentInfo*> found;
  for (const ComponentInfo& info : infos_) {
    if (info.kind == kind && info.file == file) found.push_back(&info);
  }
  return found;
}

std::vector<std::string> ComponentTable::names(ComponentKind kind) const {
  std::vector<std::string> found;
  for (const ComponentInfo& info : infos_) {
    if (info.kind == kind) found.push_back(info.name);
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

}  // namespace roboimi
