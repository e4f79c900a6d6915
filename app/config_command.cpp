// The command `roboimi config`, which shows a resolved config and explains its keys.
#include <spdlog/spdlog.h>

#include <boost/program_options.hpp>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "app/commands.h"
#include "app/common_options.h"
#include "app/config_argument.h"
#include "app/config_explain.h"
#include "app/config_schema.h"
#include "roboimi/common/error.h"
#include "roboimi/common/json_text.h"
#include "roboimi/config/compose.h"
#include "roboimi/config/did_you_mean.h"
#include "roboimi/plugin/plugin_file.h"
#include "roboimi/plugin/registry.h"

namespace roboimi::app {
namespace {

namespace po = boost::program_options;
using Json = nlohmann::ordered_json;

constexpr const char* kConfigUsage =
    R"(usage: roboimi config show [--config] CONFIG [KEY=VALUE ...] [options]
       roboimi config explain [--config] CONFIG [KEY] [KEY=VALUE ...] [options]

show     prints the resolved config: defaults lists composed, overrides applied, references replaced.
         The output is itself a config of the same run. Warns about keys and values that a run would
         reject, but does not load plugins; roboimi run --dry-run checks everything.
explain  prints all keys of the run, or only those of KEY (a key or a section), including keys that
         CONFIG leaves at their defaults: value, file and line that set it, default, type, unit,
         range and meaning.

)";

constexpr const char* kConfigExamples = R"(
overrides: a.b=c changes a key, +a.b=c adds one, ++a.b=c does either, ~a.b removes one, and
           agent/backbone=NAME selects another file of a group; values are YAML.

example: roboimi config show lewm_imf_attnres.yaml size=small train.max_steps=100
         roboimi config show lewm_imf_attnres.yaml agent/backbone=resnet18 --choices
         roboimi config explain lewm_imf_attnres.yaml train.learning_rate size=small
         roboimi config explain collect_sim_transfer.yaml collect
)";

Json config_json(const ComposedConfig& config) {
  Json sources = Json::array();
  for (const auto& source : config.sources) sources.push_back(source.string());
  Json choices = Json::object();
  for (const auto& [group, name] : config.choices) choices[group] = name;
  return {{"file", config.file.string()},
          {"choices", choices},
          {"sources", sources},
          {"config", Json::parse(config.root.to_json())}};
}

void print_choices(const ComposedConfig& config) {
  std::printf("# %s\n", config.file.c_str());
  for (const auto& [group, name] : config.choices) {
    std::printf("%s: %s\n", group.c_str(), name.c_str());
  }
}

struct ConfigArguments {
  std::string action, config, key;
  std::vector<std::string> overrides;
  std::vector<std::filesystem::path> config_dirs, plugin_dirs;
  bool json = false, choices = false, help = false;
};

po::options_description config_options() {
  po::options_description options("options");
  options.add_options()("config,c", po::value<std::string>()->value_name("CONFIG"),
                        "config, by path or name")(
      "config-dir", po::value<std::vector<std::string>>()->value_name("DIR")->composing(),
      "another folder of configs; may be repeated")(
      "plugin-path", po::value<std::vector<std::string>>()->value_name("DIR")->composing(),
      "another folder of plugins; may be repeated")(
      "json", "print JSON; show: includes the choices and the files read")(
      "choices", "show: print the chosen file of each group")("help,h", "print this help");
  return options;
}

ConfigArguments config_arguments(const Arguments& words) {
  auto [values, given] = parse_arguments(words, config_options());
  ConfigArguments arguments;
  arguments.json = values.count("json") > 0;
  arguments.choices = values.count("choices") > 0;
  arguments.help = values.count("help") > 0;
  arguments.config_dirs = paths_of(values, "config-dir");
  arguments.plugin_dirs = paths_of(values, "plugin-path");
  if (given.empty()) return arguments;
  arguments.action = given[0];
  if (given[0] != "show" && given[0] != "explain") {
    throw Error({.what = "unknown command 'config " + given[0] + "'",
                 .expected = "roboimi config show CONFIG, or roboimi config explain CONFIG",
                 .next = did_you_mean(given[0], {"show", "explain"})});
  }
  given.erase(given.begin());
  if (values.count("config") > 0) {
    arguments.config = values["config"].as<std::string>();
  } else if (!given.empty()) {
    arguments.config = given.front();
    given.erase(given.begin());
  }
  if (arguments.action == "explain") arguments.key = take_name(given);
  arguments.overrides = std::move(given);
  return arguments;
}

// Warns about a library that does not exist. No library is opened.
void warn_of_missing_plugins(const ConfigNode& node, const std::string& path) {
  for (const auto& [key, value] : node.entries()) {
    const std::string below = path.empty() ? key : path + "." + key;
    if (key == "plugin" && value.is_scalar()) {
      const std::filesystem::path file = resolve_plugin_file(node);
      std::error_code error;
      if (!std::filesystem::exists(file, error)) {
        spdlog::warn("a run would reject this config: {}: no such file {}", below, file.string());
      }
    } else {
      warn_of_missing_plugins(value, below);
    }
  }
}

// Warns about the first key or value of a section that a run would reject. The options of
// components are not checked, because that requires their plugins.
void warn_of_problems(const ComposedConfig& config) {
  const bool is_complete = config.root.find("agent") != nullptr ||
                           config.root.find("backbone") != nullptr ||
                           config.root.find("writer") != nullptr;
  if (!is_complete) return;  // part of a config, such as a file of a group
  try {
    check_sections(config.root);
  } catch (const Error& error) {
    spdlog::warn("a run would reject this config: {}", one_line_message(error));
  }
  warn_of_missing_plugins(config.root, "");
}

void show_config(const ConfigArguments& arguments, const ComposedConfig& config) {
  if (arguments.json) {
    std::cout << json_text(config_json(config)) << "\n";
  } else if (arguments.choices) {
    print_choices(config);
  } else {
    std::cout << config.root.to_yaml();
  }
  warn_of_problems(config);
}

void print_explanation(const ConfigArguments& arguments, const ComposedConfig& config) {
  Registry::instance().load_search_path(arguments.plugin_dirs);
  std::vector<ExplainedKey> keys = explain_config(config);
  if (!arguments.key.empty()) keys = keys_at(keys, arguments.key, config);
  if (arguments.json) {
    std::cout << json_text(explanation_json(keys)) << "\n";
  } else {
    std::cout << explanation_text(keys);
  }
}

}  // namespace

int config_command(const Arguments& words) {
  const ConfigArguments arguments = config_arguments(words);
  if (arguments.help) {
    std::cout << kConfigUsage << config_options() << kConfigExamples;
    return EXIT_SUCCESS;
  }
  if (arguments.config.empty()) {
    throw Error({.what = "no config given",
                 .expected = "roboimi config show CONFIG, or roboimi config explain CONFIG",
                 .next = "see roboimi config --help"});
  }
  const ComposedConfig config = compose_any(arguments.config, arguments.overrides,
                                            arguments.config_dirs, arguments.plugin_dirs);
  if (arguments.action == "explain") {
    print_explanation(arguments, config);
  } else {
    show_config(arguments, config);
  }
  return EXIT_SUCCESS;
}

}  // namespace roboimi::app
