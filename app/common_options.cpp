#include "app/common_options.h"

#include <algorithm>
#include <array>

#include "roboimi/checkpoint/recorded_plugins.h"
#include "roboimi/common/error.h"
#include "roboimi/common/paths.h"
#include "roboimi/config/did_you_mean.h"

namespace roboimi::app {

namespace fs = std::filesystem;
namespace po = boost::program_options;

namespace {

// The options whose value is a file or a folder.
constexpr std::array kPathOptions = {"checkpoint", "config", "config-dir",  "data",
                                     "out",        "output", "plugin-path", "resume"};

bool is_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

// `-h`, `--json`: no value of an option before them.
bool is_option(const std::string& word) { return word.size() > 1 && word.starts_with("-"); }

// Whether the word after --resume is its folder. A folder's name may hold a '=', and so does an
// override: the one that is a run, or lies in a folder that exists, is a folder.
bool names_run_folder(const std::string& word) {
  if (is_option(word)) return false;
  fs::path path;
  try {
    path = expand_home(word);
  } catch (const Error&) {
    return false;  // `~a.b` removes a key
  }
  if (word.find('=') == std::string::npos) return !word.starts_with("+");
  for (const char* part : {"config.yaml", "checkpoints"}) {
    std::error_code error;
    if (fs::exists(path / part, error)) return true;
  }
  const std::string key = word.substr(0, word.find('='));
  if (key.starts_with("/") || key.starts_with(".") || key.starts_with("~")) return true;
  return key.find('/') != std::string::npos && is_folder(path.parent_path());
}

// Boost would take any word after --resume for its value. Joined here where the word is its folder;
// a --resume without one is left out, and reported by the result.
bool join_resume(Arguments& arguments) {
  Arguments joined;
  bool bare = false;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] != "--resume") {
      joined.push_back(arguments[i]);
    } else if (i + 1 < arguments.size() && names_run_folder(arguments[i + 1])) {
      joined.push_back("--resume=" + arguments[++i]);
    } else {
      bare = true;
    }
  }
  arguments = std::move(joined);
  return bare;
}

// `~` is expanded in every path, and an empty one is a slip: in a script, of an unset variable.
void tidy_paths(po::parsed_options& parsed) {
  for (auto& option : parsed.options) {
    if (std::find(kPathOptions.begin(), kPathOptions.end(), option.string_key) ==
        kPathOptions.end()) {
      continue;
    }
    for (std::string& value : option.value) {
      if (value.empty()) {
        throw Error({.what = "--" + option.string_key + " is empty", .expected = "a path"});
      }
      value = expand_home(value);
    }
  }
}

// `--train.max_steps=10` is a key, not an option.
std::string next_for_unknown(const std::string& name, const po::options_description& options) {
  const std::string key = name.substr(std::min(name.size(), name.find_first_not_of('-')));
  if (key.find('.') != std::string::npos) {
    return "keys of the config are written without dashes: " + key +
           (key.find('=') == std::string::npos ? "=VALUE" : "");
  }
  std::vector<std::string> names;
  for (const auto& option : options.options()) names.push_back("--" + option->long_name());
  return did_you_mean(name, names, "see --help");
}

}  // namespace

ParsedArguments parse_arguments(const Arguments& arguments,
                                const po::options_description& options) {
  Arguments joined = arguments;
  const bool resumes_newest =
      options.find_nothrow("resume", /*approx=*/false) != nullptr && join_resume(joined);
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
    tidy_paths(named);
    po::store(named, parsed.values);
    po::notify(parsed.values);
  } catch (const po::unknown_option& error) {
    throw Error({.what = "unknown option '" + error.get_option_name() + "'",
                 .next = next_for_unknown(error.get_option_name(), options)});
  } catch (const po::error& error) {
    throw Error({.what = error.what(), .next = "see --help"});
  }
  if (resumes_newest && parsed.values.count("resume") == 0) {
    parsed.values.insert(
        {"resume", po::variable_value(boost::any(std::string()), /*defaulted=*/false)});
  }
  return parsed;
}

void require_new_folder(const fs::path& folder, const std::string& option) {
  std::error_code error;
  const bool is_used =
      is_folder(folder) && fs::directory_iterator(folder, error) != fs::directory_iterator();
  if (is_used) {
    throw Error({.what = option + ": the folder is in use",
                 .where = folder.string(),
                 .expected = "a new folder, or an empty one",
                 .next = "name another, or remove it"});
  }
  require_writable_folder(folder, option);
}

std::vector<fs::path> paths_of(const po::variables_map& values, const std::string& option) {
  std::vector<fs::path> paths;
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
