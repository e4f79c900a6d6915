// roboimi config show | explain: what a config and its overrides resolve to, and what its keys are.
#include <algorithm>
#include <boost/program_options.hpp>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "app/commands.h"
#include "app/common_options.h"
#include "app/config_explain.h"
#include "app/config_schema.h"
#include "roboimi/common/error.h"
#include "roboimi/common/json_text.h"
#include "roboimi/config/compose.h"
#include "roboimi/plugin/registry.h"

namespace roboimi::app {
namespace {

namespace po = boost::program_options;
using Json = nlohmann::ordered_json;

constexpr const char* kUsage =
    R"(usage: roboimi config show [--config] CONFIG [KEY=VALUE ...] [options]
       roboimi config explain [--config] CONFIG [KEY] [KEY=VALUE ...] [options]

show     prints what CONFIG resolves to: its defaults composed, the overrides applied, references
         replaced. The output is itself a config that gives the same run.
explain  prints each key that the run has, also those that CONFIG leaves at their defaults, or those
         of KEY (a key or a section) alone: value, the file and line that set it, default, type,
         unit, range and meaning.

)";

constexpr const char* kExamples = R"(
overrides: a.b=c changes, +a.b=c adds, ++a.b=c does either, ~a.b removes, agent/backbone=NAME swaps a
           group; values are YAML.

example: roboimi config show lewm_imf_attnres.yaml size=small train.max_steps=100
         roboimi config show lewm_imf_attnres.yaml agent/backbone=resnet18 --choices
         roboimi config explain lewm_imf_attnres.yaml train.learning_rate size=small
         roboimi config explain collect_sim_transfer.yaml collect
)";

Json to_json(const ComposedConfig& config) {
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

po::options_description visible_options() {
  po::options_description options("options");
  options.add_options()("config,c", po::value<std::string>()->value_name("CONFIG"),
                        "the config, as roboimi run takes it")(
      "config-dir", po::value<std::vector<std::string>>()->value_name("DIR")->composing(),
      "another folder of configs; may be repeated")(
      "plugin-path", po::value<std::vector<std::string>>()->value_name("DIR")->composing(),
      "another folder of plugins; may be repeated")(
      "json", "print JSON; show: with the choices and the files read")(
      "choices", "show: print which file each group is")("help,h", "print this");
  return options;
}

bool is_override(const std::string& word) {
  return word.find('=') != std::string::npos || word.starts_with("~");
}

// The first word of those that are no overrides, taken out of them; empty when there is none.
std::string take_name(std::vector<std::string>& words) {
  const auto found = std::ranges::find_if_not(words, is_override);
  if (found == words.end()) return "";
  std::string name = *found;
  words.erase(found);
  return name;
}

ConfigArguments config_arguments(const Arguments& words) {
  auto [values, given] = parse_arguments(words, visible_options());
  ConfigArguments arguments;
  arguments.json = values.count("json") > 0;
  arguments.choices = values.count("choices") > 0;
  arguments.help = values.count("help") > 0;
  arguments.config_dirs = paths_of(values, "config-dir");
  arguments.plugin_dirs = paths_of(values, "plugin-path");
  if (given.empty()) return arguments;
  arguments.action = given[0];
  if (given[0] != "show" && given[0] != "explain") {
    throw Error(
        {.what = "unknown command 'config " + given[0] + "'",
         .next = "they are 'roboimi config show CONFIG' and 'roboimi config explain CONFIG'"});
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

void show(const ConfigArguments& arguments, const ComposedConfig& config) {
  if (arguments.json) {
    std::cout << json_text(to_json(config)) << "\n";
  } else if (arguments.choices) {
    print_choices(config);
  } else {
    std::cout << config.root.to_yaml();
  }
}

void explain(const ConfigArguments& arguments, const ComposedConfig& config) {
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
    std::cout << kUsage << visible_options() << kExamples;
    return EXIT_SUCCESS;
  }
  if (arguments.config.empty()) {
    throw Error({.what = "no config named",
                 .expected = "roboimi config show CONFIG [KEY=VALUE ...], or config explain",
                 .next = "see roboimi config --help"});
  }
  const ComposedConfig config = compose_any(arguments.config, arguments.overrides,
                                            arguments.config_dirs, arguments.plugin_dirs);
  if (arguments.action == "explain") {
    explain(arguments, config);
  } else {
    show(arguments, config);
  }
  return EXIT_SUCCESS;
}

}  // namespace roboimi::app
