#include "app/option_hint.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "app/collect_options.h"
#include "app/config_argument.h"
#include "app/config_schema.h"
#include "roboimi/common/error.h"
#include "roboimi/config/did_you_mean.h"
#include "roboimi/plugin/declared_keys.h"
#include "roboimi/plugin/registry.h"
#include "roboimi/train/experiment.h"

namespace roboimi::app {
namespace {

namespace fs = std::filesystem;
namespace po = boost::program_options;

constexpr std::size_t kMostKeys = 4;  // shown; a longer list helps nobody

// An option as it was written.
struct WrittenOption {
  std::string name;   // without dashes
  std::string value;  // of `--name=value` or `--name value`; VALUE if there is none
};

WrittenOption read_option(const std::string& option, const Arguments& arguments) {
  const std::string text = option.substr(std::min(option.size(), option.find_first_not_of('-')));
  const std::size_t equals = text.find('=');
  if (equals != std::string::npos) return {text.substr(0, equals), text.substr(equals + 1)};
  const auto found = std::ranges::find_if(arguments, [&](const std::string& word) {
    return word == option || word.starts_with(option + "=");
  });
  if (found == arguments.end()) return {text, "VALUE"};
  if (*found != option) return {text, found->substr(option.size() + 1)};
  const bool has_value = found + 1 != arguments.end() && !(found + 1)->starts_with("--");
  return {text, has_value ? *(found + 1) : "VALUE"};
}

// The configs that the arguments may name, the most likely one first.
std::vector<std::string> possible_configs(const Arguments& arguments) {
  std::vector<std::string> named, words;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if (word.starts_with("-")) {
      for (const char* option : {"--config=", "--checkpoint=", "--resume="}) {
        if (word.starts_with(option)) named.push_back(word.substr(std::string(option).size()));
      }
    } else if (!is_override(word)) {
      words.push_back(word);
    }
  }
  named.insert(named.end(), words.begin(), words.end());
  return named;
}

// The keys of the first of these configs that can be read. A folder is that of a run or checkpoint.
std::vector<std::string> keys_of_config(const std::vector<std::string>& configs) {
  for (const std::string& given : configs) {
    try {
      std::error_code error;
      const bool is_folder = fs::is_directory(given, error);
      const std::string config = is_folder ? (fs::path(given) / "config.yaml").string() : given;
      const ConfigNode root = compose_any(config, {}, {}, {}).root;
      Registry::instance().load_search_path({});
      return declared_keys(schema_of_config(root), root);
    } catch (const Error&) {  // not a config
    }
  }
  return {};
}

// The keys that do not depend on the chosen components.
std::vector<std::string> keys_of_sections() {
  std::vector<std::string> keys = declared_keys(experiment_schema(), ConfigNode::map());
  const auto more = declared_keys(schema_of<CollectionOptions>(), ConfigNode::map());
  keys.insert(keys.end(), more.begin(), more.end());
  return keys;
}

std::string last_part(const std::string& key) { return key.substr(key.rfind('.') + 1); }

std::string written_as_keys(std::vector<std::string> keys, const std::string& value) {
  for (std::string& key : keys) key += "=" + value;
  return fmt::format("write {}{}, without dashes", keys.size() > 1 ? "one of " : "",
                     fmt::join(keys, ", "));
}

}  // namespace

std::string hint_for_option(const std::string& option, const Arguments& arguments,
                            const po::options_description& options) {
  std::vector<std::string> names;
  for (const auto& known : options.options()) names.push_back("--" + known->long_name());
  const bool takes_keys = options.find_nothrow("config", /*approx=*/false) != nullptr;
  if (!takes_keys) return did_you_mean(option, names, "see --help");

  // Hydra's name of --config.
  if (option.starts_with("--config-name")) return "did you mean '--config'?";

  // A full key.
  auto [name, value] = read_option(option, arguments);
  if (name.find('.') != std::string::npos) return written_as_keys({name}, value);

  // The last part of a key.
  std::ranges::replace(name, '-', '_');
  name = usual_name(name);
  std::vector<std::string> keys = keys_of_config(possible_configs(arguments));
  if (keys.empty()) keys = keys_of_sections();
  std::vector<std::string> same, parts;
  for (const std::string& key : keys) {
    parts.push_back(last_part(key));
    const bool is_new = std::ranges::find(same, key) == same.end();
    if (parts.back() == name && is_new) same.push_back(key);
  }
  if (!same.empty() && same.size() <= kMostKeys) return written_as_keys(same, value);

  // A misspelled option or key.
  if (std::string near = did_you_mean(option, names); !near.empty()) return near;
  const auto part = nearest_name(name, parts);
  if (!part) return "see --help";
  const std::string& key = keys[std::ranges::find(parts, *part) - parts.begin()];
  return fmt::format("did you mean {}={}, without dashes?", key, value);
}

}  // namespace roboimi::app
