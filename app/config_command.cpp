// roboimi config show: what a config and its overrides resolve to.
#include <boost/program_options.hpp>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "app/commands.h"
#include "app/common_options.h"
#include "roboimi/common/error.h"
#include "roboimi/common/json_text.h"
#include "roboimi/config/compose.h"

namespace roboimi::app {
namespace {

namespace po = boost::program_options;
using Json = nlohmann::ordered_json;

constexpr const char* kUsage =
    R"(usage: roboimi config show [--config] CONFIG [KEY=VALUE ...] [options]

Prints what CONFIG resolves to: its defaults composed, the overrides applied, references replaced.
The output is itself a config that gives the same run.

)";

constexpr const char* kExamples = R"(
overrides: a.b=c changes, +a.b=c adds, ++a.b=c does either, ~a.b removes, agent/backbone=NAME swaps a
           group; values are YAML.

example: roboimi config show lewm_imf_attnres.yaml size=small train.max_steps=100
         roboimi config show lewm_imf_attnres.yaml agent/backbone=resnet18 --choices
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

struct ShowArguments {
  std::string config;
  std::vector<std::string> overrides;
  std::vector<std::filesystem::path> config_dirs;
  bool json = false, choices = false, help = false;
};

po::options_description visible_options() {
  po::options_description options("options");
  options.add_options()("config,c", po::value<std::string>()->value_name("CONFIG"),
                        "the config, as roboimi run takes it")(
      "config-dir", po::value<std::vector<std::string>>()->value_name("DIR")->composing(),
      "another folder of configs; may be repeated")(
      "json", "print JSON, with the choices and the files read")(
      "choices", "print which file each group is")("help,h", "print this");
  return options;
}

ShowArguments show_arguments(const Arguments& words) {
  auto [values, given] = parse_arguments(words, visible_options());
  ShowArguments arguments;
  arguments.json = values.count("json") > 0;
  arguments.choices = values.count("choices") > 0;
  arguments.help = values.count("help") > 0;
  arguments.config_dirs = paths_of(values, "config-dir");
  if (given.empty()) return arguments;
  if (given[0] != "show") {
    throw Error({.what = "unknown command 'config " + given[0] + "'",
                 .next = "the only one is 'roboimi config show CONFIG'"});
  }
  given.erase(given.begin());
  if (values.count("config") > 0) {
    arguments.config = values["config"].as<std::string>();
  } else if (!given.empty()) {
    arguments.config = given.front();
    given.erase(given.begin());
  }
  arguments.overrides = std::move(given);
  return arguments;
}

}  // namespace

int config_command(const Arguments& words) {
  const ShowArguments arguments = show_arguments(words);
  if (arguments.help) {
    std::cout << kUsage << visible_options() << kExamples;
    return EXIT_SUCCESS;
  }
  if (arguments.config.empty()) {
    throw Error({.what = "no config named",
                 .expected = "roboimi config show CONFIG [KEY=VALUE ...]",
                 .next = "see roboimi config --help"});
  }
  const ComposedConfig config =
      compose_config(arguments.config, arguments.overrides, arguments.config_dirs);
  if (arguments.json) {
    std::cout << json_text(to_json(config)) << "\n";
  } else if (arguments.choices) {
    print_choices(config);
  } else {
    std::cout << config.root.to_yaml();
  }
  return EXIT_SUCCESS;
}

}  // namespace roboimi::app
