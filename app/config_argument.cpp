#include "app/config_argument.h"

#include <algorithm>
#include <optional>

#include "app/config_schema.h"
#include "roboimi/common/error.h"
#include "roboimi/common/paths.h"
#include "roboimi/train/experiment.h"

namespace roboimi::app {
namespace {

namespace po = boost::program_options;

// A collection names a writer of episodes, an experiment an agent.
bool is_collection(const ConfigNode& root) {
  return root.find("writer") != nullptr && root.find("agent") == nullptr;
}
bool is_training(const ConfigNode& root) {
  return root.find("agent") != nullptr && root.find("writer") == nullptr;
}

// Composes with `compose(overrides)`, for a command that cannot use configs for which
// `is_other(root)` is true. An override of such a config fails before its kind is known: then the
// config is composed again without overrides to find out.
template <typename Compose, typename IsOther>
ComposedConfig compose_for_command(const std::vector<std::string>& overrides,
                                   const Compose& compose, const IsOther& is_other,
                                   const std::string& purpose, const std::string& other_command) {
  std::optional<ComposedConfig> config;
  try {
    config = compose(overrides);
  } catch (const Error&) {
    if (overrides.empty()) throw;
    try {
      config = compose({});
    } catch (const Error&) {  // the first error is reported
    }
    if (!config || !is_other(config->root)) throw;
  }
  if (!is_other(config->root)) return std::move(*config);
  throw Error({.what = "this configuration is for " + purpose,
               .where = config->file.string(),
               .next = "use it with: " + other_command});
}

}  // namespace

bool is_override(const std::string& word) {
  const bool removes_key = word.starts_with("~") && !word.starts_with("~/");
  return word.find('=') != std::string::npos || removes_key;
}

std::string take_name(std::vector<std::string>& words) {
  const auto found = std::ranges::find_if_not(words, is_override);
  if (found == words.end()) return "";
  std::string name = *found;
  words.erase(found);
  return name;
}

void take_positional(ParsedArguments& parsed, const std::string& option) {
  if (parsed.values.count(option) != 0) return;
  const std::string name = take_name(parsed.words);
  if (name.empty()) return;
  parsed.values.insert(
      {option, po::variable_value(boost::any(expand_home(name)), /*defaulted=*/false)});
}

ComposedConfig compose_collection(const std::string& config,
                                  const std::vector<std::string>& overrides,
                                  const std::vector<std::filesystem::path>& config_dirs,
                                  const std::vector<std::filesystem::path>& plugin_dirs) {
  const auto compose = [&](const std::vector<std::string>& changes) {
    return compose_any(config, changes, config_dirs, plugin_dirs);
  };
  return compose_for_command(overrides, compose, is_training,
                             "training, not for collecting demonstrations",
                             "roboimi run --config " + shell_word(config));
}

ComposedConfig compose_training(const std::string& config,
                                const std::vector<std::string>& overrides,
                                const std::vector<std::filesystem::path>& config_dirs) {
  const auto compose = [&](const std::vector<std::string>& changes) {
    return compose_experiment(config, changes, config_dirs);
  };
  return compose_for_command(overrides, compose, is_collection,
                             "collecting demonstrations, not for training",
                             "roboimi collect --config " + shell_word(config));
}

}  // namespace roboimi::app
