#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <type_traits>

#include "roboimi/plugin/registry_state.h"

namespace roboimi {
namespace {

// Calls `visit(kind, components)` for each of a registrar's lists.
template <typename Visitor>
void for_each_list(Registrar& registrar, Visitor visit) {
  visit(ComponentKind::kBackbone, registrar.backbones);
  visit(ComponentKind::kHead, registrar.heads);
  visit(ComponentKind::kAgent, registrar.agents);
  visit(ComponentKind::kDataset, registrar.datasets);
  visit(ComponentKind::kEpisodeWriter, registrar.episode_writers);
  visit(ComponentKind::kEnvironment, registrar.environments);
  visit(ComponentKind::kCommunicator, registrar.communicators);
}

void check_complete(ComponentKind kind, const std::string& name, bool has_factory) {
  if (name.empty()) {
    throw Error({.what = fmt::format("it registers a {} without a name", to_string(kind)),
                 .next = "give the component the name that a config's `type:` says"});
  }
  if (!has_factory) {
    throw Error(
        {.what = fmt::format("it registers the {} '{}' without a factory", to_string(kind), name),
         .next = "set the component's `create`"});
  }
}

}  // namespace

void ComponentTable::add(const std::string& plugin, const std::filesystem::path& file,
                         Registrar registrar, TakenName taken) {
  // First everything that can be wrong, then everything that is added.
  std::set<std::pair<ComponentKind, std::string>> seen;
  for_each_list(registrar, [&](ComponentKind kind, const auto& components) {
    for (const auto& component : components) {
      check_complete(kind, component.name, component.create != nullptr);
      const ComponentInfo* earlier =
          taken == TakenName::kError ? find(kind, component.name) : nullptr;
      if (earlier != nullptr || !seen.emplace(kind, component.name).second) {
        const std::string owner = earlier != nullptr ? earlier->plugin : plugin;
        throw Error(
            {.what = fmt::format("the {} '{}' is there already", to_string(kind), component.name),
             .expected = fmt::format("each {} to have a name of its own", to_string(kind)),
             .found = fmt::format("one of the plugin '{}'", owner),
             .next = "rename the component, or take one of the plugins away"});
      }
    }
  });
  for_each_list(registrar, [&](ComponentKind kind, auto& components) {
    for (auto& component : components) {
      using Factory = std::decay_t<decltype(component.create)>;
      infos_.push_back({.kind = kind,
                        .name = component.name,
                        .description = component.description,
                        .plugin = plugin,
                        .schema = std::move(component.schema),
                        .file = file,
                        .needs_file = find(kind, component.name) != nullptr,
                        .check = std::move(component.check)});
      std::get<Factories<Factory>>(factories_)
          .emplace(std::pair(file, component.name), std::move(component.create));
    }
  });
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
