#include "app/plugins_check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <cstdio>
#include <cstring>

#include "app/check_streams.h"
#include "app/conformance_run.h"
#include "roboimi/common/error.h"
#include "roboimi/common/json_text.h"
#include "roboimi/common/processes.h"
#include "roboimi/plugin/registry.h"

namespace roboimi::app {
namespace {

constexpr std::chrono::minutes kTimeLimit{15};

// Marks the lines that the child sends to its parent; output of the plugin may be in between.
constexpr char kMarker[] = "\x1eroboimi-check ";

// The command line of the child process.
std::vector<std::string> child_command(const CheckRequest& request) {
  std::vector<std::string> words = {"/proc/self/exe", "plugins", "check", "--in-process"};
  const auto add = [&](const char* option, const std::string& value) {
    words.push_back(fmt::format("--{}={}", option, value));
  };
  if (request.component) add("component", *request.component);
  if (request.options) add("config", request.options->string());
  for (const std::string& camera : request.cameras) add("camera", camera);
  for (const std::string& stream : request.streams) add("stream", stream);
  for (const std::string& check : request.skip) add("skip", check);
  for (const auto& folder : request.plugin_dirs) add("plugin-path", folder.string());
  words.insert(words.end(), {"--", request.file.string()});
  return words;
}

// The messages of the child, and everything else that it printed, stderr last.
struct ChildReport {
  nlohmann::json verdict;  // null if the child ended before its verdict
  std::string check;       // the last check that began: "backbone my_backbone: check_name"
  std::string output;
};

ChildReport read_report(const std::string& text, const std::string& errors) {
  ChildReport report;
  std::size_t at = 0;
  while (true) {
    const std::size_t marker = text.find(kMarker, at);
    report.output += text.substr(at, marker - at);
    if (marker == std::string::npos) break;
    const std::size_t end = text.find('\n', marker);
    if (end == std::string::npos) break;  // cut off by the end of the process
    const std::size_t begin = marker + std::strlen(kMarker);
    const auto message = nlohmann::json::parse(text.substr(begin, end - begin));
    if (message.contains("begins")) report.check = message.at("begins");
    if (message.contains("verdict")) report.verdict = message;
    at = end + 1;
  }
  report.output += errors;
  return report;
}

void send_to_parent(const nlohmann::json& message) {
  fmt::print("{}{}\n", kMarker, json_text(message, -1));
  std::fflush(stdout);
}

nlohmann::json fatal_verdict(const CheckRequest& request, const std::string& reason,
                             const ChildReport& report) {
  const std::string place = report.check.empty()
                                ? "a static initializer, a register function or a static destructor"
                                : report.check;
  return {{"file", request.file.string()},
          {"verdict", "fatal"},
          {"reason", fmt::format("{} in {}", reason, place)},
          {"output", report.output},
          {"components", nlohmann::json::array()}};
}

// The options of a component: those of --config, or else the component's own for checks.
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
  ConfigNode options = options_node(request, info);
  std::vector<StreamSpec> streams = take_streams(options, info.schema);
  for (const std::string& words : request.streams) streams.push_back(stream_of(words));
  const ConformanceRun run{.component = info,
                           .options = std::move(options),
                           .cameras = request.cameras,
                           .streams = std::move(streams),
                           .skip = request.skip,
                           .before = [&](const std::string& check) {
                             send_to_parent({{"begins", fmt::format("{}: {}", who, check)}});
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

// The components of the file to check. Error if it has no such component, or if there are several
// components for one set of options.
std::vector<ComponentInfo> components_to_check(const CheckRequest& request,
                                               const std::string& plugin) {
  std::vector<ComponentInfo> chosen;
  std::vector<std::string> names;
  for (const ComponentInfo& info : Registry::instance().components()) {
    if (info.plugin != plugin) continue;
    names.push_back(info.name);
    if (!request.component || info.name == *request.component) chosen.push_back(info);
  }
  if (request.component && chosen.empty()) {
    throw Error({.what = fmt::format("it has no component '{}'", *request.component),
                 .expected = fmt::format("one of {}", fmt::join(names, ", "))});
  }
  if (request.options && chosen.size() > 1) {
    throw Error({.what = "the options of --config are for one component",
                 .found = fmt::format("{} components", chosen.size()),
                 .next = fmt::format("name one with --component: {}", fmt::join(names, ", "))});
  }
  return chosen;
}

bool has_failure(const nlohmann::json& checks) {
  for (const auto& check : checks) {
    if (check.at("status") == "failed") return true;
  }
  return false;
}

// Loads the file, and adds the plugin's name, version and description to the verdict.
std::string load_checked_plugin(const CheckRequest& request, nlohmann::json& verdict) {
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

void check_plugin(const CheckRequest& request, nlohmann::json& verdict) {
  const std::string plugin = load_checked_plugin(request, verdict);
  const std::vector<ComponentInfo> components = components_to_check(request, plugin);
  if (components.empty()) {
    throw Error("it registers no component; add one in its register function");
  }
  // Load the plugins of an agent's components. This file replaces one of the same plugin name in
  // the search path.
  try {
    Registry::instance().load_search_path(request.plugin_dirs);
  } catch (const Error&) {
  }
  // Run the checks. Components are created a hundred times: do not repeat what they log.
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
  if (verdict["verdict"] == "failed") {
    verdict["reason"] = "it loads, but a component failed the checks of its kind";
  }
}

}  // namespace

nlohmann::json check_in_child(const CheckRequest& request) {
  // Report a mistake of the user as such, and not as a fault of the plugin.
  if (request.options) load_yaml(request.options->string());
  for (const std::string& words : request.streams) stream_of(words);
  const ProcessResult result = run_process(child_command(request), "", kTimeLimit);
  const ChildReport report = read_report(result.output, result.errors);
  if (result.timed_out) {
    return fatal_verdict(request, fmt::format("did not finish within {} min", kTimeLimit.count()),
                         report);
  }
  if (report.verdict.is_null() || result.status != 0) {
    return fatal_verdict(request, "ended its process with " + status_text(result.status), report);
  }
  nlohmann::json verdict = report.verdict;
  verdict["output"] = report.output;
  return verdict;
}

void check_in_process(const CheckRequest& request) {
  nlohmann::json verdict = {{"file", request.file.string()},
                            {"verdict", "accepted"},
                            {"components", nlohmann::json::array()}};
  try {
    check_plugin(request, verdict);
  } catch (const Error& error) {
    Error::Parts parts = error.parts();
    if (parts.where == request.file.string()) parts.where.clear();
    verdict["verdict"] = "rejected";
    verdict["reason"] = Error(parts).what();
  }
  send_to_parent(verdict);
}

}  // namespace roboimi::app
