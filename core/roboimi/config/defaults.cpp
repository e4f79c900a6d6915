#include "roboimi/config/defaults.h"

#include <algorithm>
#include <string_view>

#include "roboimi/common/error.h"
#include "roboimi/common/text.h"
#include "roboimi/config/describe.h"
#include "roboimi/config/did_you_mean.h"
#include "roboimi/config/overrides.h"
#include "roboimi/config/scalar.h"
#include "roboimi/config/text_file.h"

namespace roboimi::config {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSelf = "_self_";
constexpr const char* kNone = "null";           // as a choice
constexpr const char* kOptional = "optional ";  // before a group: its file need not exist

std::string append(const std::string& path, const std::string& name, char separator) {
  return path.empty() ? name : path + separator + name;
}

std::string with_dots(std::string path) {
  std::replace(path.begin(), path.end(), '/', '.');
  return path;
}

// The word after `# @package` in the comment lines at the head of a file, or nothing.
std::string package_of(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const bool is_blank = line.find_first_not_of(" \t\r") == std::string::npos;
    if (!is_blank && line[0] != '#') break;
    std::istringstream words(line.substr(std::min<std::size_t>(1, line.size())));
    std::string keyword, package;
    if (words >> keyword >> package && keyword == "@package") return package;
  }
  return "";
}

bool is_self(const ConfigNode& entry) { return entry.is_scalar() && entry.text() == kSelf; }

// Removes `defaults:` from `body` and returns its entries, which contain `_self_` exactly once.
std::vector<ConfigNode> take_defaults(ConfigNode& body) {
  std::vector<ConfigNode> entries;
  const SourceLocation location = body.location();
  if (const ConfigNode* defaults = body.find("defaults")) {
    if (!defaults->is_sequence() && !defaults->is_null()) {
      throw Error({.what = "invalid value of 'defaults'",
                   .where = defaults->location().to_string(),
                   .expected = "a list of '- GROUP: NAME', '- NAME' and '- _self_'",
                   .found = describe(*defaults)});
    }
    entries = defaults->items();
    body.erase_path("defaults");
  }
  const auto selves = std::count_if(entries.begin(), entries.end(), is_self);
  if (selves == 0) entries.push_back(ConfigNode::scalar(kSelf, location));
  if (selves > 1) {
    const auto second = std::find_if(entries.rbegin(), entries.rend(), is_self);
    throw Error({.what = "'_self_' appears twice in a defaults list",
                 .where = second->location().to_string()});
  }
  return entries;
}

}  // namespace

ConfigNode DefaultsComposer::compose(const fs::path& experiment) {
  root_ = ConfigNode::map({experiment.string(), 1, 1});
  add_file(experiment, {});
  for (auto& [group, choice] : given_) {
    if (!choice.added) continue;
    choice.used = true;
    add_group(group, choice, {});
  }
  return root_;
}

void DefaultsComposer::add_file(const fs::path& file, Position position) {
  // Detect circular lists.
  const fs::path identity = fs::weakly_canonical(file);
  const auto first = std::find(open_.begin(), open_.end(), identity);
  if (first != open_.end()) {
    std::string chain;
    for (auto step = first; step != open_.end(); ++step) chain += step->string() + " -> ";
    throw Error(
        {.what = "circular defaults lists: " + chain + identity.string(), .where = file.string()});
  }
  // Read the file.
  sources_.push_back(file);
  const std::string text = read_config_text(file);
  ConfigNode body = parse_yaml(text, file.string());
  if (body.is_null()) body = ConfigNode::map({file.string(), 1, 1});
  if (!body.is_map()) {
    throw Error({.what = "not a config",
                 .where = file.string(),
                 .expected = "a table of keys",
                 .found = describe(body)});
  }
  const std::string package = package_of(text);
  if (package == "_global_") {
    position.place.clear();
  } else if (!package.empty() && package != "_group_") {
    position.place = package;
  }
  // Merge the entries of its list and its own keys, in order.
  open_.push_back(identity);
  for (const ConfigNode& entry : take_defaults(body)) {
    if (is_self(entry)) {
      merge_at(position.place, body);
    } else {
      add_entry(entry, position);
    }
  }
  open_.pop_back();
}

void DefaultsComposer::add_entry(const ConfigNode& entry, const Position& parent) {
  // `- NAME` or `- FOLDER/NAME`.
  if (entry.is_scalar()) {
    const std::size_t slash = entry.text().rfind('/');
    Position position = parent;
    if (slash != std::string::npos) {
      position.folder = append(parent.folder, entry.text().substr(0, slash), '/');
    }
    const std::string name = entry.text().substr(slash == std::string::npos ? 0 : slash + 1);
    add_file(find_in_groups(name, {position.folder}, folders_, entry.location()).file, position);
    return;
  }
  // `- GROUP: NAME`.
  const bool one = entry.is_map() && entry.entries().size() == 1;
  const ConfigNode* value = one ? &entry.entries().front().second : nullptr;
  if (value == nullptr || (!value->is_scalar() && !value->is_null())) {
    throw Error({.what = "invalid entry of 'defaults'",
                 .where = entry.location().to_string(),
                 .expected = "'GROUP: NAME', 'GROUP: null', 'NAME' or '_self_'",
                 .found = describe(entry)});
  }
  std::string group = entry.entries().front().first;
  GroupChoice choice;
  choice.optional = group.starts_with(kOptional);
  if (choice.optional) group = group.substr(std::string_view(kOptional).size());
  choice.name = value->text();
  choice.none = value->is_null();
  choice.location = value->location();
  name_by_other_group(choice);
  add_group(group, choice, parent);
}

// Replaces `${agent/head}` by the name that was chosen for that group earlier.
void DefaultsComposer::name_by_other_group(GroupChoice& choice) const {
  if (!choice.name.starts_with("${") || !choice.name.ends_with("}")) return;
  const std::string other = choice.name.substr(2, choice.name.size() - 3);
  const auto chosen = choices_.find(other);
  const bool is_chosen = chosen != choices_.end() && chosen->second != kNone;
  if (!is_chosen && !choice.optional) {
    std::vector<std::string> groups;
    for (const auto& [group, name] : choices_) groups.push_back(group);
    throw Error(
        {.what = "the group '" + printable(other) + "' has not been chosen before this entry",
         .where = choice.location.to_string(),
         .expected = groups.empty() ? "a group that was chosen earlier" : "one of " + join(groups),
         .next = did_you_mean(other, groups)});
  }
  choice.none = !is_chosen;
  choice.name = is_chosen ? chosen->second : "";
}

void DefaultsComposer::add_group(const std::string& group, GroupChoice choice,
                                 const Position& parent) {
  // Choices of the command line replace those of lists.
  const std::string address = append(parent.choice, group, '/');
  const auto given = given_.find(address);
  if (given != given_.end() && (!given->second.added || !choice.added)) {
    if (given->second.added) {
      throw Error({.what = "the group '" + address + "' is already chosen",
                   .where = given->second.location.to_string(),
                   .found = choice.none ? "null" : choice.name,
                   .next = "remove the '+' to replace it"});
    }
    given->second.used = true;
    choice = given->second;
  }
  if (choices_.contains(address)) {
    throw Error({.what = "the group '" + address + "' is chosen twice",
                 .where = choice.location.to_string(),
                 .found = choices_[address] + " and " + choice.name});
  }
  // Find the file of the choice, and add it.
  const std::vector<std::string> groups = {append(parent.folder, group, '/'), group};
  if (choice.optional && !choice.none) {
    choice.none = !file_in_groups(choice.name, groups, folders_).has_value();
  }
  choices_[address] = choice.none ? kNone : choice.name;
  if (choice.none) return;
  const GroupFile found = find_in_groups(choice.name, groups, folders_, choice.location);
  add_file(found.file, {found.found_as, address, append(parent.place, with_dots(group), '.')});
}

void DefaultsComposer::merge_at(const std::string& place, ConfigNode body) {
  if (place.empty()) {
    merge_into(root_, body);
    return;
  }
  ConfigNode* existing = const_cast<ConfigNode*>(root_.find_path(place));
  if (existing != nullptr) {
    merge_into(*existing, body);
  } else {
    root_.set_path(place, std::move(body));
  }
}

}  // namespace roboimi::config
