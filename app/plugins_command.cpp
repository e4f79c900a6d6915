// The command `roboimi plugins`, which lists, inspects, documents and checks plugins.
#include <fmt/format.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "app/commands.h"
#include "app/common_options.h"
#include "app/option_table.h"
#include "app/plugins_check.h"
#include "app/plugins_reference.h"
#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/json_text.h"
#include "roboimi/common/paths.h"
#include "roboimi/config/did_you_mean.h"
#include "roboimi/plugin/registry.h"

namespace roboimi::app {
namespace {

namespace fs = std::filesystem;
namespace po = boost::program_options;
using nlohmann::json;

constexpr char kPluginsUsage[] =
    "usage: roboimi plugins list [--json | --markdown]\n"
    "       roboimi plugins inspect NAME|FILE.so [--json]\n"
    "       roboimi plugins reference [--readme FILE ... [--only-check]]\n"
    "       roboimi plugins check FILE.so [--component NAME] [--config OPTIONS.yaml] [--json]\n\n"
    "list       prints all components found, and the rejected files with the reason\n"
    "inspect    prints the options of a component, or of all components of a plugin or a file:\n"
    "           type, default, range, unit, meaning\n"
    "reference  prints all options of experiments, collections and components as a document\n"
    "           (docs/reference.md); with --readme, updates the tables between\n"
    "           `<!-- options NAME -->` and `<!-- end of options -->` in the files instead\n"
    "check      loads a file in a child process and runs the conformance checks on its "
    "components\n\n"
    "examples:\n"
    "  roboimi plugins inspect vla_agent --plugin-path ./build/plugins\n"
    "  roboimi plugins check libmy_backbone.so --config options.yaml\n";

struct PluginsRequest {
  std::string action, name;
  bool json = false, markdown = false, in_process = false;
  std::vector<fs::path> plugin_dirs, readmes;
  bool only_checks = false;
  std::optional<std::string> component;
  std::optional<fs::path> options;
  std::vector<std::string> cameras, streams, skip;

  CheckRequest check() const {
    return {.file = name,
            .component = component,
            .options = options,
            .cameras = cameras,
            .streams = streams,
            .skip = skip,
            .plugin_dirs = plugin_dirs};
  }
};

po::options_description plugins_options() {
  po::options_description options("options");
  options.add_options()("json", "print JSON")("markdown", "list: print a Markdown table")(
      "plugin-path", po::value<std::vector<std::string>>()->value_name("DIR")->composing(),
      "another folder of plugins; may be repeated")("component",
                                                    po::value<std::string>()->value_name("NAME"),
                                                    "check: only this component of the file")(
      "config", po::value<std::string>()->value_name("FILE"),
      "check: a YAML file with the component's options")(
      "camera", po::value<std::vector<std::string>>()->value_name("NAME")->composing(),
      "check: a camera of the data; may be repeated (default: r_vis, top, front)")(
      "stream",
      po::value<std::vector<std::string>>()->value_name("NAME=KIND[:SHAPE[:DTYPE]]")->composing(),
      "check: another stream of the data, such as wrench=vector:6, side_depth=depth:72x96:uint16 "
      "or goal=text:32; may be repeated")(
      "skip", po::value<std::vector<std::string>>()->value_name("CHECK")->composing(),
      "check: skip this check; may be repeated")(
      "readme", po::value<std::vector<std::string>>()->value_name("FILE")->composing(),
      "reference: update the tables in this file; may be repeated")(
      "only-check", "reference: fail if --readme would change a file")("help,h", "print this help");
  return options;
}

// Loads the plugins of the search path. Returns the error, if any: two files with the same plugin
// name must not prevent the others from being listed.
std::string load_plugins(const PluginsRequest& request) {
  try {
    Registry::instance().load_search_path(request.plugin_dirs);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

const LoadedPlugin& plugin_of(const std::vector<LoadedPlugin>& plugins, const ComponentInfo& info) {
  for (const LoadedPlugin& plugin : plugins) {
    if (plugin.name == info.plugin && plugin.file == info.file) return plugin;
  }
  throw Error("no plugin '" + info.plugin + "'");
}

json component_json(const ComponentInfo& info, const LoadedPlugin& plugin) {
  return {{"kind", to_string(info.kind)},
          {"name", info.name},
          {"description", info.description},
          {"plugin", plugin.name},
          {"version", plugin.version},
          {"file", plugin.file.string()},
          {"changed_on_disk", plugin.changed_on_disk}};
}

int list_plugins(const PluginsRequest& request) {
  const std::string problem = load_plugins(request);
  const Registry& registry = Registry::instance();
  const auto plugins = registry.plugins();
  const auto rejected = registry.rejected();
  // For programs.
  if (request.json) {
    json all = {
        {"components", json::array()}, {"rejected", json::array()}, {"shadowed", json::array()}};
    for (const ComponentInfo& info : registry.components()) {
      all["components"].push_back(component_json(info, plugin_of(plugins, info)));
    }
    for (const RejectedPlugin& file : rejected) {
      all["rejected"].push_back({{"file", file.file.string()}, {"reason", file.reason}});
    }
    for (const ShadowedPlugin& plugin : registry.shadowed()) {
      all["shadowed"].push_back(
          {{"name", plugin.name}, {"file", plugin.file.string()}, {"by", plugin.by.string()}});
    }
    for (const fs::path& folder : plugin_search_path(request.plugin_dirs)) {
      all["searched"].push_back(folder.string());
    }
    fmt::print("{}\n", json_text(all));
    return problem.empty() ? EXIT_SUCCESS : EXIT_FAILURE;
  }
  if (request.markdown) {
    fmt::print("| kind | name | version | what it is |\n|---|---|---|---|\n");
    for (const ComponentInfo& info : registry.components()) {
      fmt::print("| {} | `{}` | {} | {} |\n", to_string(info.kind), info.name,
                 plugin_of(plugins, info).version, info.description);
    }
    return problem.empty() ? EXIT_SUCCESS : EXIT_FAILURE;
  }
  // For readers.
  for (const ComponentInfo& info : registry.components()) {
    const LoadedPlugin& plugin = plugin_of(plugins, info);
    fmt::print("{:<15} {:<22} {:<8} {}\n{:<15} {}{}\n", to_string(info.kind), info.name,
               plugin.version, info.description, "", plugin.file.string(),
               plugin.changed_on_disk ? " (changed since it was loaded: restart to use it)" : "");
  }
  if (plugins.empty()) {
    fmt::print("no plugin found in:\n");
    for (const fs::path& folder : plugin_search_path(request.plugin_dirs)) {
      fmt::print("  {}\n", folder.string());
    }
  }
  if (!rejected.empty()) fmt::print("\nrejected:\n");
  for (const RejectedPlugin& file : rejected) {
    fmt::print("  {}\n    {}\n", file.file.string(), file.reason);
  }
  const auto shadowed = registry.shadowed();
  if (!shadowed.empty()) fmt::print("\nshadowed by an earlier folder:\n");
  for (const ShadowedPlugin& plugin : shadowed) {
    fmt::print("  {}\n    the plugin '{}' is loaded from {}\n", plugin.file.string(), plugin.name,
               plugin.by.string());
  }
  return problem.empty() ? EXIT_SUCCESS : EXIT_FAILURE;
}

// "did you mean 'resnet_backbone'?" for 'resnet': the names that contain `name`, or else the
// nearest one.
std::string similar_names(const std::string& name, const std::vector<std::string>& names) {
  std::vector<std::string> longer;
  for (const std::string& candidate : names) {
    const bool is_new = std::ranges::find(longer, candidate) == longer.end();
    if (is_new && name.size() > 1 && candidate.find(name) != std::string::npos) {
      longer.push_back(candidate);
    }
  }
  constexpr std::size_t kMostNames = 4;
  if (!longer.empty() && longer.size() <= kMostNames) {
    return fmt::format("did you mean '{}'?", fmt::join(longer, "' or '"));
  }
  return did_you_mean(name, names,
                      "`roboimi plugins list` shows all components and the rejected files");
}

// The component of this name, or all components of the plugin of this name.
std::vector<ComponentInfo> components_named(const std::string& name) {
  std::vector<ComponentInfo> found;
  std::vector<std::string> names;
  for (const ComponentInfo& info : Registry::instance().components()) {
    if (info.name == name || info.plugin == name) found.push_back(info);
    names.push_back(info.name);
    names.push_back(info.plugin);
  }
  if (!found.empty()) return found;
  throw Error(
      {.what = "no plugin or component '" + name + "'", .next = similar_names(name, names)});
}

// The components to inspect. A file may have the plugin name of another one in the search path, so
// only the file is loaded.
std::vector<ComponentInfo> inspected_components(const PluginsRequest& request) {
  const bool is_file = request.name.ends_with(".so") || request.name.find('/') != std::string::npos;
  if (is_file) return components_named(Registry::instance().load(expand_home(request.name)));
  load_plugins(request);
  return components_named(request.name);
}

int inspect_components(const PluginsRequest& request) {
  const std::vector<ComponentInfo> components = inspected_components(request);
  const auto plugins = Registry::instance().plugins();
  json all = json::array();
  for (const ComponentInfo& info : components) {
    const LoadedPlugin& plugin = plugin_of(plugins, info);
    json described = component_json(info, plugin);
    described["options"] = option_json(info.schema);
    all.push_back(described);
    if (request.json) continue;
    fmt::print("{} {}: {}\n", to_string(info.kind), info.name, info.description);
    fmt::print("  plugin {} {} ({})\n  {}\n\n", plugin.name, plugin.version, plugin.description,
               plugin.file.string());
    fmt::print("{}\n",
               info.schema.options().empty() ? "  no options\n" : option_table(info.schema));
  }
  if (request.json) fmt::print("{}\n", json_text(all));
  return EXIT_SUCCESS;
}

// Updates the tables in a file. With `only_checks`, an outdated table is an Error instead.
void update_tables(const fs::path& file, const std::vector<ComponentInfo>& components,
                   bool only_checks) {
  const std::string old = read_text(file);
  const std::string updated = with_option_tables(old, file, components);
  if (updated == old) return;
  if (only_checks) {
    throw Error(
        {.what = "a table of options is out of date",
         .where = file.string(),
         .next = "update it: roboimi plugins reference --readme " + shell_word(file.string())});
  }
  write_text_atomically(file, updated);
}

int print_reference(const PluginsRequest& request) {
  const std::string problem = load_plugins(request);
  if (!problem.empty()) throw Error(problem);
  const std::vector<ComponentInfo> components = Registry::instance().components();
  if (request.readmes.empty()) fmt::print("{}", reference_document(components));
  for (const fs::path& file : request.readmes) {
    update_tables(file, components, request.only_checks);
  }
  return EXIT_SUCCESS;
}

void print_checks(const json& checks) {
  std::map<std::string, int> counts;
  for (const json& check : checks) {
    const auto status = check.at("status").get<std::string>();
    ++counts[status];
    const auto message = check.at("message").get<std::string>();
    fmt::print("    {:<8} {}", status, check.at("check").get<std::string>());
    if (status == "failed") fmt::print(" ({})", check.at("reason").get<std::string>());
    fmt::print("{}{}\n", message.empty() ? "" : ": ", message);
  }
  if (checks.empty()) fmt::print("    no checks for this kind\n");
  if (!checks.empty()) {
    fmt::print("    {} passed, {} failed, {} skipped\n", counts["passed"], counts["failed"],
               counts["skipped"]);
  }
}

int check_plugin_file(const PluginsRequest& request) {
  if (request.in_process) {
    check_in_process(request.check());
    return EXIT_SUCCESS;
  }
  const json verdict = check_in_child(request.check());
  const bool accepted = verdict.at("verdict") == "accepted";
  if (request.json) {
    fmt::print("{}\n", json_text(verdict));
    return accepted ? EXIT_SUCCESS : EXIT_FAILURE;
  }
  const std::string output = verdict.value("output", "");
  if (!output.empty()) fmt::print("{}{}", output, output.back() == '\n' ? "" : "\n");
  fmt::print("{}: {}", verdict.at("file").get<std::string>(),
             verdict.at("verdict").get<std::string>());
  fmt::print("{}\n", accepted ? "" : ": " + verdict.at("reason").get<std::string>());
  for (const json& component : verdict.at("components")) {
    fmt::print("  {} {}: {}\n", component.at("kind").get<std::string>(),
               component.at("name").get<std::string>(),
               component.at("description").get<std::string>());
    const auto options = component.at("options").get<std::string>();
    if (!options.empty()) fmt::print("    options for the checks: {}\n", options);
    print_checks(component.at("checks"));
  }
  return accepted ? EXIT_SUCCESS : EXIT_FAILURE;
}

PluginsRequest read_plugins_request(const Arguments& arguments, bool& help) {
  po::options_description hidden;
  hidden.add_options()("in-process", "the child of `check`")("action", po::value<std::string>())(
      "name", po::value<std::string>());
  hidden.add(plugins_options());
  po::positional_options_description places;
  places.add("action", 1).add("name", 1);
  po::variables_map values;
  try {
    po::store(po::command_line_parser(arguments)
                  .style(kExactNames)
                  .options(hidden)
                  .positional(places)
                  .run(),
              values);
  } catch (const po::error& error) {
    throw Error({.what = error.what(), .next = "see roboimi plugins --help"});
  }
  help = values.count("help") != 0;
  PluginsRequest request{.action = values.count("action") ? values["action"].as<std::string>() : "",
                         .name = values.count("name") ? values["name"].as<std::string>() : "",
                         .json = values.count("json") != 0,
                         .markdown = values.count("markdown") != 0,
                         .in_process = values.count("in-process") != 0};
  request.plugin_dirs = paths_of(values, "plugin-path");
  request.readmes = paths_of(values, "readme");
  request.only_checks = values.count("only-check") != 0;
  const auto strings = [&](const char* option) {
    return values.count(option) ? values[option].as<std::vector<std::string>>()
                                : std::vector<std::string>();
  };
  if (values.count("component")) request.component = values["component"].as<std::string>();
  if (values.count("config")) request.options = values["config"].as<std::string>();
  request.cameras = strings("camera");
  request.streams = strings("stream");
  request.skip = strings("skip");
  return request;
}

}  // namespace

int plugins_command(const Arguments& arguments) {
  bool help = false;
  const PluginsRequest request = read_plugins_request(arguments, help);
  if (help) {
    std::cout << kPluginsUsage << "\n" << plugins_options();
    return EXIT_SUCCESS;
  }
  const bool named = !request.name.empty();
  if (request.action == "list" && !named) return list_plugins(request);
  if (request.action == "inspect" && named) return inspect_components(request);
  if (request.action == "reference" && !named) return print_reference(request);
  if (request.action == "check" && named) return check_plugin_file(request);
  const std::vector<std::string> actions = {"list", "inspect", "reference", "check"};
  const bool is_known = std::ranges::find(actions, request.action) != actions.end();
  std::string what = "unknown command 'plugins " + request.action + "'";
  if (request.action.empty()) what = "no command given";
  if (is_known) what = "wrong arguments of 'plugins " + request.action + "'";
  throw Error({.what = what,
               .expected = "list, inspect NAME, inspect FILE.so, reference or check FILE.so",
               .next = is_known
                           ? "see roboimi plugins --help"
                           : did_you_mean(request.action, actions, "see roboimi plugins --help")});
}

}  // namespace roboimi::app
