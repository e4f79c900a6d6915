#include "app/plugins_check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <cstdio>
#include <cstring>

#include "app/conformance_run.h"
#include "roboimi/common/error.h"
#include "roboimi/common/json_text.h"
#include "roboimi/common/processes.h"
#include "roboimi/plugin/registry.h"

namespace roboimi::app {
namespace {

constexpr std::chrono::minutes kTimeLimit{15};

// Before what the child tells its parent, a line each; a plugin's own output may stand between.
constexpr char kMarker[] = "\x1eroboimi-check ";

// The command line of the child that does the work.
std::vector<std::string> child_command(const CheckRequest& request) {
  std::vector<std::string> words = {"/proc/self/exe", "plugins", "check", "--in-process"};
  const auto add = [&](const char* option, const std::string& value) {
    words.push_back(fmt::format("--{}={}", option, value));
  };
  if (request.component) add("component", *request.component);
  if (request.options) add("config", request.options->string());
  for (const std::string& camera : request.cameras) add("camera", camera);
  for (const std::string& check : request.skip) add("skip", check);
  for (const auto& folder : request.plugin_dirs) add("plugin-path", folder.string());
  words.insert(words.end(), {"--", request.file.string()});
  return words;
}

// What the child told, and what else it printed; what it wrote to stderr stands last.
struct Told {
  nlohmann::json verdict;  // null when it did not come to one
  std::string check;       // the last that was begun: "backbone my_backbone: check_name"
  std::string output;
};

Told read_told(const std::string& text, const std::string& errors) {
  Told told;
  std::size_t at = 0;
  while (true) {
    const std::size_t marker = text.find(kMarker, at);
    told.output += text.substr(at, marker - at);
    if (marker == std::string::npos) break;
    const std::size_t end = text.find('\n', marker);
    if (end == std::string::npos) break;  // torn by the end of the process
    const std::size_t begin = marker + std::strlen(kMarker);
    const auto message = nlohmann::json::parse(text.substr(begin, end - begin));
    if (message.contains("begins")) told.check = message.at("begins");
    if (message.contains("verdict")) told.verdict = message;
    at = end + 1;
  }
  told.output += errors;
  return told;
}

void tell(const nlohmann::json& message) {
  fmt::print("{}{}\n", kMarker, json_text(message, -1));
  std::fflush(stdout);
}

nlohmann::json fatal(const CheckRequest& request, const std::string& reason, const Told& told) {
  const std::string place = told.check.empty()
                                ? "a static initialiser, a register function or a static destructor"
                                : told.check;
  return {{"file", request.file.string()},
          {"verdict", "fatal"},
          {"reason", fmt::format("{} in {}", reason, place)},
          {"output", told.output},
          {"components", nlohmann::json::array()}};
}

// The options of a component, as a config has them: those of --config, or else its own for checks.
ConfigNode options_node(const CheckRequest& request, const ComponentInfo& info) {
  ConfigNode node = request.options ? load_yaml(request.options->string())
                                    : parse_yaml(info.check.options, "ComponentCheck::options");
  if (node.is_null()) node = ConfigNode::map();
  if (node.is_map()) node.set("type", ConfigNode::scalar(info.name));
  return node;
}

nlohmann::json run_checks(const CheckRequest& request, const ComponentInfo& info) {
  const std::string who = fmt::format("{} {}", to_string(info.kind), info.name);
  nlohmann::json results = nlohmann::json::array();
  const ConformanceRun run{.component = info,
                           .options = options_node(request, info),
                           .cameras = request.cameras,
                           .skip = request.skip,
                           .before = [&](const std::string& check) {
                             tell({{"begins", fmt::format("{}: {}", who, check)}});
                           }};
  for (const testing::CheckResult& result : run_conformance(run)) {
    results.push_back({{"check", result.check},
                       {"reason", result.reason},
                       {"status", testing::to_string(result.status)},
                       {"message", result.message},
                       {"seconds", result.seconds}});
  }
  return results;
}

// The file's components that are asked for. Error: it has no such one, or one set of options is for
// several.
std::vector<ComponentInfo> asked_for(const CheckRequest& request, const std::string& plugin) {
  std::vector<ComponentInfo> asked;
  std::vector<std::string> names;
  for (const ComponentInfo& info : Registry::instance().components()) {
    if (info.plugin != plugin) continue;
    names.push_back(info.name);
    if (!request.component || info.name == *request.component) asked.push_back(info);
  }
  if (request.component && asked.empty()) {
    throw Error({.what = fmt::format("it has no component '{}'", *request.component),
                 .expected = fmt::format("one of {}", fmt::join(names, ", "))});
  }
  if (request.options && asked.size() > 1) {
    throw Error({.what = "options for several components",
                 .next = fmt::format("name one with --component: {}", fmt::join(names, ", "))});
  }
  return asked;
}

bool has_failure(const nlohmann::json& checks) {
  for (const auto& check : checks) {
    if (check.at("status") == "failed") return true;
  }
  return false;
}

// Loads the file, and fills in what it says of itself.
std::string load(const CheckRequest& request, nlohmann::json& verdict) {
  Registry& registry = Registry::instance();
  const std::string name = registry.load(request.file);
  for (const LoadedPlugin& plugin : registry.plugins()) {
    if (plugin.name != name) continue;
    verdict["plugin"] = plugin.name;
    verdict["version"] = plugin.version;
    verdict["description"] = plugin.description;
  }
  return name;
}

void judge(const CheckRequest& request, nlohmann::json& verdict) {
  const std::string plugin = load(request, verdict);
  const std::vector<ComponentInfo> components = asked_for(request, plugin);
  if (components.empty()) {
    throw Error("it registers no component; add one in its register function");
  }
  // The parts of an agent. A file of the same name in the search path gives way to this one.
  try {
    Registry::instance().load_search_path(request.plugin_dirs);
  } catch (const Error&) {
  }
  // Components are made a hundred times: what they say each time is no news.
  spdlog::set_level(spdlog::level::err);
  for (const ComponentInfo& info : components) {
    const nlohmann::json checks = run_checks(request, info);
    if (has_failure(checks)) verdict["verdict"] = "failed";
    verdict["components"].push_back({{"kind", to_string(info.kind)},
                                     {"name", info.name},
                                     {"description", info.description},
                                     {"options", request.options ? "" : info.check.options},
                                     {"checks", checks}});
  }
  if (verdict["verdict"] == "failed") verdict["reason"] = "it loads, and does not keep to its kind";
}

}  // namespace

nlohmann::json check_in_child(const CheckRequest& request) {
  // A fault of this file is not the library's.
  if (request.options) load_yaml(request.options->string());
  const ProcessResult result = run_process(child_command(request), "", kTimeLimit);
  const Told told = read_told(result.output, result.errors);
  if (result.timed_out) {
    return fatal(request, fmt::format("did not finish within {} min", kTimeLimit.count()), told);
  }
  if (told.verdict.is_null() || result.status != 0) {
    return fatal(request, "ended its process with " + status_text(result.status), told);
  }
  nlohmann::json verdict = told.verdict;
  verdict["output"] = told.output;
  return verdict;
}

void check_in_process(const CheckRequest& request) {
  nlohmann::json verdict = {{"file", request.file.string()},
                            {"verdict", "accepted"},
                            {"components", nlohmann::json::array()}};
  try {
    judge(request, verdict);
  } catch (const Error& error) {
    Error::Parts parts = error.parts();
    if (parts.where == request.file.string()) parts.where.clear();
    verdict["verdict"] = "rejected";
    verdict["reason"] = Error(parts).what();
  }
  tell(verdict);
}

}  // namespace roboimi::app
