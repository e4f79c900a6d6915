#include "app/plugins_reference.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <utility>

#include "app/collect_options.h"
#include "app/option_table.h"
#include "roboimi/common/error.h"
#include "roboimi/config/did_you_mean.h"
#include "roboimi/train/experiment.h"

namespace roboimi::app {
namespace {

constexpr std::string_view kBegin = "<!-- options ", kBeginEnd = " -->";
constexpr std::string_view kEnd = "<!-- end of options -->";

// The keys at the root of a file, then its groups.
std::string sections(const Schema& schema, const std::string& title, const std::string& intro) {
  std::string text = fmt::format("\n## {}\n\n{}\n\n{}", title, intro,
                                 option_markdown(schema, /*with_groups=*/false));
  for (const OptionSpec& option : schema.options()) {
    if (option.group.empty()) continue;
    text += fmt::format("\n## section `{}`\n\n{}.\n\n{}", option.key, option.meaning,
                        option_markdown(option.group.front()));
  }
  return text;
}

const ComponentInfo& component_named(const std::string& name,
                                     const std::vector<ComponentInfo>& components,
                                     const std::string& where) {
  std::vector<std::string> names;
  for (const ComponentInfo& component : components) {
    if (component.name == name) return component;
    names.push_back(component.name);
  }
  throw Error({.what = "no component '" + name + "'",
               .where = where,
               .expected = "`<!-- options NAME -->` with the name of a component that is loaded",
               .next = did_you_mean(name, names, "`roboimi plugins list` shows them")});
}

}  // namespace

std::string reference_document(std::vector<ComponentInfo> components) {
  // Sorted, so that the order of files does not show.
  std::ranges::sort(components, {},
                    [](const ComponentInfo& info) { return std::pair(info.kind, info.name); });
  std::string text =
      "# Configurations and their options\n\n"
      "Printed by `roboimi plugins reference`, from the tables that the options are read by. `-`: "
      "may "
      "be left out.\n`roboimi config explain CONFIG` shows the same of one configuration, with its "
      "values and the lines that set them.\n";
  text += sections(experiment_schema(), "an experiment",
                   "The keys at the root of a file for `roboimi run`.");
  text += sections(schema_of<CollectionOptions>(), "a collection",
                   "The keys at the root of a file for `roboimi collect`.");
  text += "\n# Components\n\nA component is chosen by `type: NAME`; its options stand beside it.\n";
  for (const ComponentInfo& info : components) {
    text += fmt::format("\n## {} `{}`\n\n{}.\n\n{}", to_string(info.kind), info.name,
                        info.description, option_markdown(info.schema));
  }
  return text;
}

std::string with_option_tables(const std::string& text, const std::filesystem::path& file,
                               const std::vector<ComponentInfo>& components) {
  std::string result;
  std::istringstream lines(text);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    result += line + "\n";
    if (!line.starts_with(kBegin) || !line.ends_with(kBeginEnd)) continue;
    const std::string where = fmt::format("{}:{}", file.string(), number);
    const std::string name =
        line.substr(kBegin.size(), line.size() - kBegin.size() - kBeginEnd.size());
    result += "\n" + option_markdown(component_named(name, components, where).schema) + "\n";
    // What stood there is passed over.
    bool has_end = false;
    while (!has_end && std::getline(lines, line)) {
      ++number;
      has_end = line == kEnd;
    }
    if (!has_end) {
      throw Error({.what = "the table of '" + name + "' has no end",
                   .where = where,
                   .expected = "a line " + std::string(kEnd) + " after it"});
    }
    result += line + "\n";
  }
  return result;
}

}  // namespace roboimi::app
