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
#include "app/plugins_check.h"
#include "app/plugins_listing.h"
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

ListForm form_of(const PluginsRequest& request) {
  if (request.json) return ListForm::kJson;
  return request.markdown ? ListForm::kMarkdown : ListForm::kText;
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
  const std::string problem = load_plugins(request.plugin_dirs);
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
  if (request.action == "list" && !named)
    return list_plugins(request.plugin_dirs, form_of(request));
  if (request.action == "inspect" && named) {
    return inspect_components(request.name, request.plugin_dirs, request.json);
  }
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
