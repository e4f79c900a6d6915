#include "roboimi/config/compose.h"

#include <algorithm>

#include "roboimi/common/error.h"
#include "roboimi/common/paths.h"
#include "roboimi/common/text.h"
#include "roboimi/config/defaults.h"
#include "roboimi/config/describe.h"
#include "roboimi/config/did_you_mean.h"
#include "roboimi/config/interpolate.h"
#include "roboimi/config/overrides.h"
#include "roboimi/config/search.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;
using config::GroupChoice;
using config::Override;
using GroupChoices = std::map<std::string, GroupChoice>;

// The overrides that may be choices of groups. Whether they are is known only after the defaults
// lists are composed.
GroupChoices possible_choices(const std::vector<Override>& changes,
                              const config::Folders& folders) {
  GroupChoices choices;
  for (const Override& change : changes) {
    if (!change.may_choose_group()) continue;
    const bool adds = change.action == Override::Action::kAdd;
    if (adds && !config::group_exists(change.key, folders)) continue;
    GroupChoice choice;
    choice.name = change.value.text();
    choice.none = change.value.is_null();
    choice.added = adds;
    choice.location = {"command line"};
    choices[change.key] = choice;
  }
  return choices;
}

// Detects `backbone=resnet18` instead of `agent/backbone=resnet18`, which gets a separate error.
bool lacks_parent_group(const ConfigNode& root, const Override& change,
                        const std::map<std::string, std::string>& choices) {
  if (change.action != Override::Action::kChange || root.find(change.key) != nullptr) return false;
  return std::any_of(choices.begin(), choices.end(),
                     [&](const auto& choice) { return choice.first.ends_with("/" + change.key); });
}

[[noreturn]] void fail_unknown_group(const Override& change,
                                     const std::map<std::string, std::string>& choices) {
  std::vector<std::string> groups;
  for (const auto& [group, name] : choices) groups.push_back(group);
  throw Error({.what = "no group '" + printable(change.key) + "' is chosen in this config",
               .where = "command line",
               .expected = groups.empty() ? "no group: this config has no defaults list"
                                          : "one of " + config::join(groups),
               .next = did_you_mean(change.key, groups)});
}

// Detects `agent.head=diffusion` instead of `agent/head=diffusion`, which would replace the table
// by a string.
void require_no_group(const ConfigNode& root, const Override& change,
                      const std::map<std::string, std::string>& choices) {
  std::string group = change.key;
  std::replace(group.begin(), group.end(), '.', '/');
  const ConfigNode* existing = root.find_path(change.key);
  const bool is_table = existing != nullptr && existing->is_map();
  if (!is_table || !change.value.is_scalar() || !choices.contains(group)) return;
  throw Error({.what = "'" + printable(change.key) + "' is a table of keys",
               .where = "command line",
               .expected = "a table",
               .found = "'" + printable(change.value.text()) + "'",
               .next = "to choose a config of the group, write a slash: " + group + "=" +
                       printable(change.value.text())});
}

void apply_overrides(ConfigNode& root, const std::vector<Override>& changes,
                     const config::DefaultsComposer& composer, const DeclaredKeys& declared) {
  for (const Override& change : changes) {
    const auto choice = composer.given().find(change.key);
    if (choice != composer.given().end() && choice->second.used) continue;
    if (change.key.find('/') != std::string::npos ||
        lacks_parent_group(root, change, composer.choices())) {
      fail_unknown_group(change, composer.choices());
    }
    require_no_group(root, change, composer.choices());
    config::apply_override(root, change, declared);
  }
}

// `env=null` removes `env`, even if files of other groups (`size=small`) set keys in it.
void remove_null_groups(ConfigNode& root, const GroupChoices& given) {
  for (const auto& [group, choice] : given) {
    if (!choice.used || !choice.none) continue;
    std::string place = group;
    std::replace(place.begin(), place.end(), '/', '.');
    root.erase_path(place);
  }
}

// Expands `~` in the key `plugin` of every component, which names a library.
void expand_plugin_paths(ConfigNode& node) {
  for (ConfigNode& item : node.items()) expand_plugin_paths(item);
  for (auto& [key, value] : node.entries()) {
    if (key == "plugin" && value.is_scalar()) {
      value = ConfigNode::scalar(expand_home(value.text()), value.location(), value.quoted());
    } else {
      expand_plugin_paths(value);
    }
  }
}

// The folder of the config, then the search path, without duplicates.
config::Folders folders_of(const fs::path& experiment, const config::Folders& search_path) {
  config::Folders folders = {experiment.has_parent_path() ? experiment.parent_path()
                                                          : fs::path(".")};
  folders.insert(folders.end(), search_path.begin(), search_path.end());
  return config::without_duplicates(folders);
}

}  // namespace

ComposedConfig compose_config(const std::string& config, const std::vector<std::string>& overrides,
                              const std::vector<fs::path>& config_dirs,
                              const DeclaredKeys& declared) {
  // Find the config.
  const config::Folders search_path = config_search_path(config_dirs);
  ComposedConfig result;
  result.file = config::find_experiment(config, search_path);
  const config::Folders folders = folders_of(result.file, search_path);

  // Compose the defaults lists, and apply the overrides.
  std::vector<Override> changes;
  for (const std::string& text : overrides) changes.push_back(config::parse_override(text));
  config::DefaultsComposer composer(folders, possible_choices(changes, folders));
  ConfigNode root = composer.compose(result.file);
  remove_null_groups(root, composer.given());
  apply_overrides(root, changes, composer, declared);

  // Resolve references and paths.
  result.root = config::interpolate(root, declared);
  expand_plugin_paths(result.root);
  result.choices = composer.choices();
  result.sources = composer.sources();
  return result;
}

}  // namespace roboimi
