// roboimi plugins list | inspect NAME | check FILE.so
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

constexpr char kUsage[] =
    "usage: roboimi plugins list [--json | --markdown]\n"
    "       roboimi plugins inspect NAME [--json]\n"
    "       roboimi plugins reference [--readme FILE ... [--only-check]]\n"
    "       roboimi plugins check FILE.so [--component NAME] [--config OPTIONS.yaml] [--json]\n\n"
    "list     every component found, and every file that was rejected with the reason\n"
    "inspect  a plugin's or a component's options: type, default, range, unit, meaning\n"
    "reference  all options of experiments, collections and components, as a document\n"
    "           (docs/reference.md); with --readme renews the tables between `<!-- options NAME "
    "-->`\n"
    "           and `<!-- end of options -->` in the files\n"
    "check    loads a file in a child process, and runs the conformance kit on its components\n\n"
    "examples:\n"
    "  roboimi plugins inspect vla_agent --plugin-path ./build/plugins\n"
    "  roboimi plugins check libmy_backbone.so --config options.yaml\n";

struct Request {
  std::string action, name;
  bool json = false, markdown = false, in_process = false;
  std::vector<fs::path> plugin_dirs, readmes;
  bool only_checks = false;
  std::optional<std::string> component;
  std::optional<fs::path> options;
  std::vector<std::string> cameras, skip;

  CheckRequest check() const {
    return {.file = name,
            .component = component,
            .options = options,
            .cameras = cameras,
            .skip = skip,
            .plugin_dirs = plugin_dirs};
  }
};

po::options_description visible_options() {
  po::options_description options("options");
  options.add_options()("json", "print JSON for a program to read")(
      "markdown", "list: print a table for a document")(
      "plugin-path", po::value<std::vector<std::string>>()->composing(),
      "also search this folder; may be repeated")("component", po::value<std::string>(),
                                                  "check: one component of the file")(
      "config", po::value<std::string>(), "check: a YAML file with the component's options")(
      "camera", po::value<std::vector<std::string>>()->composing(),
      "check: a camera of the data; may be repeated (default: r_vis, top, front)")(
      "skip", po::value<std::vector<std::string>>()->composing(),
      "check: leave out the check of this name; may be repeated")(
      "readme", po::value<std::vector<std::string>>()->composing(),
      "reference: renew the tables in this file; may be repeated")(
      "only-check", "reference: fail where --readme would change a file")("help,h", "this text");
  return options;
}

// Loads the search path. A name that two files claim does not keep the rest from being shown.
std::string load_plugins(const Request& request) {
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

int list(const Request& request) {
  const std::string problem = load_plugins(request);
  const Registry& registry = Registry::instance();
  const auto plugins = registry.plugins();
  const auto rejected = registry.rejected();
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
  for (const ComponentInfo& info : registry.components()) {
    const LoadedPlugin& plugin = plugin_of(plugins, info);
    fmt::print("{:<15} {:<22} {:<8} {}\n{:<15} {}{}\n", to_string(info.kind), info.name,
               plugin.version, info.description, "", plugin.file.string(),
               plugin.changed_on_disk ? " (changed since: restart to use it)" : "");
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
    fmt::print("  {}\n    the plugin '{}' is taken from {}\n", plugin.file.string(), plugin.name,
               plugin.by.string());
  }
  return problem.empty() ? EXIT_SUCCESS : EXIT_FAILURE;
}

// The components that `name` means: a component's name, or a plugin's with all of its components.
std::vector<ComponentInfo> components_named(const std::string& name) {
  std::vector<ComponentInfo> found;
  std::vector<std::string> names;
  for (const ComponentInfo& info : Registry::instance().components()) {
    if (info.name == name || info.plugin == name) found.push_back(info);
    names.push_back(info.name);
  }
  if (!found.empty()) return found;
  throw Error({.what = "no plugin or component '" + name + "'",
               .next = did_you_mean(name, names,
                                    "`roboimi plugins list` shows them, and what was rejected")});
}

int inspect(const Request& request) {
  load_plugins(request);
  const auto plugins = Registry::instance().plugins();
  json all = json::array();
  for (const ComponentInfo& info : components_named(request.name)) {
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

// Renews the tables in a file, or fails when they are not what would be written.
void renew_tables(const fs::path& file, const std::vector<ComponentInfo>& components,
                  bool only_checks) {
  const std::string old = read_text(file);
  const std::string renewed = with_option_tables(old, file, components);
  if (renewed == old) return;
  if (only_checks) {
    throw Error(
        {.what = "a table of options is out of date",
         .where = file.string(),
         .next = "write it anew: roboimi plugins reference --readme " + shell_word(file.string())});
  }
  write_text_atomically(file, renewed);
}

int reference(const Request& request) {
  const std::string problem = load_plugins(request);
  if (!problem.empty()) throw Error(problem);
  const std::vector<ComponentInfo> components = Registry::instance().components();
  if (request.readmes.empty()) fmt::print("{}", reference_document(components));
  for (const fs::path& file : request.readmes) {
    renew_tables(file, components, request.only_checks);
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

int check(const Request& request) {
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
    if (!options.empty()) fmt::print("    with its options for checks: {}\n", options);
    print_checks(component.at("checks"));
  }
  return accepted ? EXIT_SUCCESS : EXIT_FAILURE;
}

Request parse(const Arguments& arguments, bool& help) {
  po::options_description hidden;
  hidden.add_options()("in-process", "the child of `check`")("action", po::value<std::string>())(
      "name", po::value<std::string>());
  hidden.add(visible_options());
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
  Request request{.action = values.count("action") ? values["action"].as<std::string>() : "",
                  .name = values.count("name") ? values["name"].as<std::string>() : "",
                  .json = values.count("json") != 0,
                  .markdown = values.count("markdown") != 0,
                  .in_process = values.count("in-process") != 0};
  request.plugin_dirs = paths_of(values, "plugin-path");
  request.readmes = paths_of(values, "readme");
  request.only_checks = values.count("only-check") != 0;
  const auto texts = [&](const char* option) {
    return values.count(option) ? values[option].as<std::vector<std::string>>()
                                : std::vector<std::string>();
  };
  if (values.count("component")) request.component = values["component"].as<std::string>();
  if (values.count("config")) request.options = values["config"].as<std::string>();
  request.cameras = texts("camera");
  request.skip = texts("skip");
  return request;
}

}  // namespace

int plugins_command(const Arguments& arguments) {
  bool help = false;
  const Request request = parse(arguments, help);
  if (help) {
    std::cout << kUsage << "\n" << visible_options();
    return EXIT_SUCCESS;
  }
  const bool named = !request.name.empty();
  if (request.action == "list" && !named) return list(request);
  if (request.action == "inspect" && named) return inspect(request);
  if (request.action == "reference" && !named) return reference(request);
  if (request.action == "check" && named) return check(request);
  throw Error({.what = request.action.empty() ? "no action given"
                                              : "cannot do '" + request.action + "' like this",
               .expected = "list, inspect NAME, reference or check FILE.so",
               .next = "see roboimi plugins --help"});
}

}  // namespace roboimi::app
