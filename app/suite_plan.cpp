#include "app/suite_plan.h"

#include <fmt/format.h>
#include <torch/version.h>

#include "app/config_explain.h"
#include "roboimi/common/error.h"
#include "roboimi/common/hash.h"
#include "roboimi/common/origin.h"
#include "roboimi/common/paths.h"
#include "roboimi/common/processes.h"
#include "roboimi/config/scalar.h"
#include "roboimi/plugin/plugin_file.h"
#include "roboimi/plugin/registry.h"
#include "roboimi/train/experiment.h"

namespace roboimi::app {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

const Schema* component_schema(ComponentKind kind, const std::string& type,
                               const std::vector<ComponentInfo>& components) {
  for (const ComponentInfo& component : components) {
    if (component.kind == kind && component.name == type) return &component.schema;
  }
  return nullptr;
}

// Visits a resolved component and its nested components, and collects the files that they name.
class ComponentWalk {
 public:
  ComponentWalk(PlannedRun& planned) : planned_(planned) {}

  void visit(ComponentKind kind, const ConfigNode& node, const std::string& path) {
    if (const fs::path library = resolve_plugin_file(node); !library.empty()) {
      add_file(path + ".plugin", library);
    }
    Registry& registry = Registry::instance();
    const ConfigNode values = registry.options_of(kind, node, path).to_node();
    const ConfigNode* type = node.find("type");
    if (type == nullptr) return;
    if (kind == ComponentKind::kBackbone) {
      planned_.backbone = Json{{"type", type->text()}};
      planned_.backbone.update(Json::parse(values.to_json()));
    }
    const std::vector<ComponentInfo> components = registry.components();
    const Schema* schema = component_schema(kind, type->text(), components);
    if (schema == nullptr) return;
    for (const OptionSpec& option : schema->options()) {
      const ConfigNode* value = values.find(option.key);
      if (value == nullptr || value->is_null()) continue;
      const std::string key = path + "." + option.key;
      if (option.type == OptionType::kPath)
        add_file(key, config::unescape_references(value->text()));
      if (option.type == OptionType::kComponent) visit(option.component_kind, *value, key);
    }
  }

 private:
  void add_file(const std::string& key, const fs::path& file) {
    std::error_code error;
    if (fs::exists(file, error)) planned_.files.push_back({key, file});
  }

  PlannedRun& planned_;
};

// Writes the defaults into the config, so that the suite's notes can compare runs key by key and a
// run does not depend on the defaults of another build. Default paths are left to the target's
// machine.
void write_defaults(ComposedConfig& config) {
  for (const ExplainedKey& key : explain_config(config)) {
    const bool is_default = !key.place && !key.value.is_null();
    if (is_default && key.option.type != OptionType::kPath)
      config.root.set_path(key.key, key.value);
  }
}

PlannedRun plan_run(const SuiteFile& suite, const SuiteRun& run,
                    const std::vector<fs::path>& config_dirs) {
  // Compose the config.
  std::vector<fs::path> dirs = {suite.file.parent_path()};
  dirs.insert(dirs.end(), config_dirs.begin(), config_dirs.end());
  std::vector<std::string> overrides = run.overrides;
  if (run.seed) overrides.push_back("seed=" + std::to_string(*run.seed));
  PlannedRun planned{.run = run,
                     .composed = compose_experiment(run.config, overrides, dirs),
                     .files = {},
                     .backbone = {}};
  ConfigNode& root = planned.composed.root;
  experiment_options(root);  // throws for unknown keys and invalid values
  // Check the components, and collect their files.
  ComponentWalk walk(planned);
  for (const auto& [key, kind] :
       {std::pair("agent", ComponentKind::kAgent), std::pair("data", ComponentKind::kDataset),
        std::pair("env", ComponentKind::kEnvironment),
        std::pair("communicator", ComponentKind::kCommunicator)}) {
    const ConfigNode* node = root.find(key);
    if (node == nullptr || node->is_null()) continue;
    // The run reads a copy of the config, in which overrides and the folder of a plugin's config
    // file are lost, so resolve them here.
    root.set(key, Registry::instance().resolved(kind, *node, key));
    walk.visit(kind, *root.find(key), key);
  }
  write_defaults(planned.composed);
  // Write the absolute paths of files that exist here. Other paths are for the target's machine.
  for (const NamedFile& file : planned.files) {
    root.set_path(file.key, ConfigNode::scalar(config::escape_references(file.path.string()), {},
                                               /*quoted=*/true));
  }
  return planned;
}

Json file_entry(const NamedFile& file) {
  Json entry = {{"key", file.key}, {"path", fs::absolute(file.path).lexically_normal().string()}};
  if (fs::is_regular_file(file.path)) {
    entry["bytes"] = fs::file_size(file.path);
    entry["sha256"] = sha256_file(file.path);
  }
  return entry;
}

std::string commit_of(const fs::path& folder) {
  try {
    const ProcessResult commit =
        run_process({"git", "-C", folder.string(), "rev-parse", "--verify", "HEAD"});
    if (commit.status != 0) return "";
    const ProcessResult changes =
        run_process({"git", "-C", folder.string(), "status", "--porcelain", "-uno"});
    const std::string hash = commit.output.substr(0, commit.output.find('\n'));
    return hash + (changes.output.empty() ? "" : ", with changes");
  } catch (const Error&) {
    return "";  // git is not installed
  }
}

}  // namespace

fs::path suite_file_of(const std::string& argument) {
  const fs::path given = expand_home(argument);
  const fs::path file = fs::is_directory(given) ? given / "suite.yaml" : given;
  if (fs::is_regular_file(file)) return fs::absolute(file).lexically_normal();
  throw Error({.what = "no such suite",
               .where = file.string(),
               .expected = "the file of a suite, or the folder with its suite.yaml",
               .next = "an installation contains no suites: write one (docs/suites.md), or copy a "
                       "folder of the source's experiment_suites"});
}

std::vector<PlannedRun> plan_runs(const SuiteFile& suite,
                                  const std::vector<fs::path>& config_dirs) {
  std::vector<PlannedRun> planned;
  for (const SuiteRun& run : suite.runs) {
    try {
      planned.push_back(plan_run(suite, run, config_dirs));
    } catch (const Error& error) {
      Error::Parts parts = error.parts();
      parts.what = "run " + run.name + ": " + parts.what;
      throw Error(std::move(parts));
    }
  }
  return planned;
}

Json manifest_entry(const PlannedRun& planned) {
  Json entry = {{"name", planned.run.name},
                {"group", planned.run.group},
                {"target", planned.run.target},
                {"config_file", planned.composed.file.string()},
                {"overrides", planned.run.overrides}};
  if (planned.run.seed) entry["seed"] = *planned.run.seed;
  entry["choices"] = planned.composed.choices;
  entry["backbone"] = planned.backbone;
  entry["files"] = Json::array();
  for (const NamedFile& file : planned.files) entry["files"].push_back(file_entry(file));
  entry["config"] = Json::parse(planned.composed.root.to_json());
  return entry;
}

Json launch_entry(const fs::path& suite_folder, const std::vector<std::string>& command) {
  Json entry = {{"time", time_now()},
                {"host", host_name()},
                {"directory", fs::current_path().string()},
                {"command", command},
                {"version", ROBOIMI_VERSION},
                {"libtorch", TORCH_VERSION},
                {"compiler", __VERSION__}};
  if (const std::string commit = commit_of(suite_folder); !commit.empty()) entry["commit"] = commit;
  entry["plugins"] = Json::array();
  for (const LoadedPlugin& plugin : Registry::instance().plugins()) {
    entry["plugins"].push_back({{"name", plugin.name}, {"version", plugin.version}});
  }
  return entry;
}

}  // namespace roboimi::app
