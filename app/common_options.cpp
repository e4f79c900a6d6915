#include "app/common_options.h"

#include "roboimi/common/error.h"
#include "roboimi/config/did_you_mean.h"
#include "roboimi/train/recorded_plugins.h"

namespace roboimi::app {

namespace po = boost::program_options;

ParsedArguments parse_arguments(const Arguments& arguments,
                                const po::options_description& options) {
  // Boost takes the word after --resume for its value only when it is joined by "=": an option
  // with an optional value that is followed by a path is joined here.
  Arguments joined;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const bool takes_next = arguments[i] == "--resume" && i + 1 < arguments.size() &&
                            !arguments[i + 1].starts_with("-") &&
                            arguments[i + 1].find('=') == std::string::npos;
    joined.push_back(takes_next ? arguments[i] + "=" + arguments[i + 1] : arguments[i]);
    if (takes_next) ++i;
  }
  ParsedArguments parsed;
  try {
    const po::parsed_options found =
        po::command_line_parser(joined).options(options).style(kExactNames).run();
    for (const auto& option : found.options) {
      if (option.position_key >= 0 && option.string_key.empty()) {
        parsed.words.insert(parsed.words.end(), option.value.begin(), option.value.end());
      }
    }
    po::parsed_options named(found.description);
    for (const auto& option : found.options) {
      if (!option.string_key.empty()) named.options.push_back(option);
    }
    po::store(named, parsed.values);
    po::notify(parsed.values);
  } catch (const po::unknown_option& error) {
    std::vector<std::string> names;
    for (const auto& option : options.options()) names.push_back("--" + option->long_name());
    throw Error({.what = "unknown option '" + error.get_option_name() + "'",
                 .next = did_you_mean(error.get_option_name(), names, "see --help")});
  } catch (const po::error& error) {
    throw Error({.what = error.what(), .next = "see --help"});
  }
  return parsed;
}

std::vector<std::filesystem::path> paths_of(const po::variables_map& values,
                                            const std::string& option) {
  std::vector<std::filesystem::path> paths;
  if (values.count(option) == 0) return paths;
  for (const std::string& path : values[option].as<std::vector<std::string>>()) {
    paths.emplace_back(path);
  }
  return paths;
}

void restrict_plugins_of(const ComposedConfig& config, bool trusted) {
  if (trusted || !is_configuration_of_run(config.file)) return;
  restrict_to_recorded_plugins(config.root, config.file.parent_path());
}

}  // namespace roboimi::app
