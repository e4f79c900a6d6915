#include "app/common_options.h"

#include <algorithm>
#include <array>

#include "app/option_hint.h"
#include "roboimi/checkpoint/recorded_plugins.h"
#include "roboimi/common/error.h"
#include "roboimi/common/paths.h"
#include "roboimi/common/text.h"

namespace roboimi::app {

namespace fs = std::filesystem;
namespace po = boost::program_options;

namespace {

// Options whose value is a file or a folder.
constexpr std::array kPathOptions = {"checkpoint", "config", "config-dir",  "data",
                                     "out",        "output", "plugin-path", "resume"};

bool is_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

// `-h`, `--json`: never a value of the preceding option.
bool is_option(const std::string& word) { return word.size() > 1 && word.starts_with("-"); }

// Returns whether the word after --resume is its folder. Overrides and names of folders may both
// contain '='. A word with '=' is a folder if it is a run or its parent folder exists.
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

// Boost would take any word after --resume as its value. This joins the two only if the word is a
// folder. A --resume without folder is removed from the arguments; then the result is true.
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

// The error for a value that is not of the option's type. All options but integers take any string.
// `name`: with or without dashes.
Error invalid_value(const po::parsed_options& parsed, const std::string& name) {
  const std::string key = name.substr(std::min(name.size(), name.find_first_not_of('-')));
  std::string found;
  for (const auto& given : parsed.options) {
    if (given.string_key != key || given.value.empty()) continue;
    found = "'" + printable(given.value.back()) + "'";
  }
  return Error(
      {.what = "invalid value", .where = "--" + key, .expected = "an integer", .found = found});
}

// Expands `~` in paths. Throws Error for an empty path, which usually comes from an unset variable
// in a script.
void expand_paths(po::parsed_options& parsed) {
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
    expand_paths(named);
    try {
      po::store(named, parsed.values);
    } catch (const po::invalid_option_value& error) {
      throw invalid_value(named, error.get_option_name());
    }
    po::notify(parsed.values);
  } catch (const po::unknown_option& error) {
    throw Error({.what = "unknown option '" + error.get_option_name() + "'",
                 .next = hint_for_option(error.get_option_name(), arguments, options)});
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
                 .next = "choose another folder, or delete this one"});
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
