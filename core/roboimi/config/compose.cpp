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
void require_table_kept(const ConfigNode& root, const Override& change,
                        const std::map<std::string, std::string>& choices) {
  const ConfigNode* existing = root.find_path(change.key);
  const bool is_table = existing != nullptr && existing->is_map() && !existing->entries().empty();
  if (!is_table || !change.value.is_scalar()) return;
  std::string group = change.key;
  std::replace(group.begin(), group.end(), '.', '/');
  const std::string key = printable(change.key);
  throw Error({.what = "'" + key + "' is a table of keys",
               .where = "command line",
               .expected = "a table",
               .found = "'" + printable(change.value.text()) + "'",
               .next = choices.contains(group)
                           ? "to choose a config of the group, write a slash: " + group + "=" +
                                 printable(change.value.text())
                           : (choices.empty() ? "this config has no groups to choose from; " : "") +
                                 ("set its keys instead: " + key + ".KEY=VALUE")});
}

// Detects `env=sim_transfer` for a config whose defaults list has no entry for the group.
void require_group_in_list(const ConfigNode& root, const Override& change,
                           const std::map<std::string, std::string>& choices,
                           const config::Folders& folders) {
  const ConfigNode* existing = root.find_path(change.key);
  const bool is_set = existing != nullptr && !existing->is_null();
  const bool is_change = change.action == Override::Action::kChange;
  if (is_set || !is_change || !change.may_choose_group() || change.value.is_null()) return;
  if (choices.contains(change.key)) return;
  if (!config::file_in_groups(change.value.text(), {change.key}, folders)) return;
  throw Error({.what = "this config chooses nothing from the group '" + change.key + "'",
               .where = "command line",
               .next = "to add a choice: +" + printable(change.text)});
}

// Choices of components first, outer ones before inner ones: they decide which other keys exist.
std::vector<Override> in_order_of_use(std::vector<Override> changes) {
  std::ranges::stable_sort(changes, {}, &Override::depth_of_type);
  return changes;
}

void apply_overrides(ConfigNode& root, const std::vector<Override>& changes,
                     const config::DefaultsComposer& composer, const config::Folders& folders,
                     const DeclaredKeys& declared) {
  for (const Override& change : in_order_of_use(changes)) {
    const auto choice = composer.given().find(change.key);
    if (choice != composer.given().end() && choice->second.used) continue;
    if (change.key.find('/') != std::string::npos ||
        lacks_parent_group(root, change, composer.choices())) {
      fail_unknown_group(change, composer.choices());
    }
    require_table_kept(root, change, composer.choices());
    require_group_in_list(root, change, composer.choices(), folders);
    config::apply_override(root, change, declared);
  }
}

// Detects `cameras=[a, b]` without quotes, which the shell splits at the space: the first part is
// invalid, but with the words after it, it is not.
void require_unsplit(const std::vector<std::string>& overrides, std::size_t first) {
  std::string joined = overrides[first];
  for (std::size_t i = first + 1; i < overrides.size(); ++i) {
    joined += " " + overrides[i];
    try {
      config::parse_override(joined);
    } catch (const Error&) {
      continue;
    }
    throw Error({.what = "the shell split an override at the space",
                 .where = "command line",
                 .found = "'" + printable(overrides[first]) + "' and '" +
                          printable(overrides[first + 1]) + "'",
                 .next = "quote the whole override: " + shell_quote(printable(joined))});
  }
}

std::vector<Override> parse_overrides(const std::vector<std::string>& overrides) {
  std::vector<Override> changes;
  for (std::size_t i = 0; i < overrides.size(); ++i) {
    try {
      changes.push_back(config::parse_override(overrides[i]));
    } catch (const Error&) {
      if (overrides[i].find("=[") != std::string::npos ||
          overrides[i].find("={") != std::string::npos) {
        require_unsplit(overrides, i);
      }
      throw;
    }
  }
  return changes;
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
  const std::vector<Override> changes = parse_overrides(overrides);
  config::DefaultsComposer composer(folders, possible_choices(changes, folders));
  ConfigNode root = composer.compose(result.file);
  remove_null_groups(root, composer.given());
  apply_overrides(root, changes, composer, folders, declared);

  // Resolve references and paths.
  result.root = config::interpolate(root, declared);
  expand_plugin_paths(result.root);
  result.choices = composer.choices();
  result.sources = composer.sources();
  return result;
}

}  // namespace roboimi
