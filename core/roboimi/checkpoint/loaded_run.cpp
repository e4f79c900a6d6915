#include "roboimi/checkpoint/loaded_run.h"

#include <fmt/ranges.h>
#include <torch/cuda.h>

#include "roboimi/checkpoint/recorded_plugins.h"
#include "roboimi/common/error.h"
#include "roboimi/common/paths.h"
#include "roboimi/config/compose.h"
#include "roboimi/config/schema.h"
#include "roboimi/contract/run_files.h"
#include "roboimi/contract/weights_follow.h"
#include "roboimi/plugin/declared_keys.h"
#include "roboimi/plugin/registry.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

// The run's folder, even if its checkpoints folder or the checkpoint is a link.
fs::path run_of_checkpoint(const fs::path& folder) {
  const fs::path given = (fs::absolute(folder) / "").lexically_normal().parent_path();
  const fs::path run = given.parent_path().parent_path();
  return fs::exists(run / "files") ? run : fs::canonical(folder).parent_path().parent_path();
}

// The options of the components, so that an override may set one that the saved configuration, of
// an earlier version, does not have.
std::vector<std::string> component_keys(const ConfigNode& config) {
  Schema sections;
  sections.component("agent", ComponentKind::kAgent, "");
  sections.optional_component("data", ComponentKind::kDataset, "");
  sections.optional_component("env", ComponentKind::kEnvironment, "");
  return declared_keys(sections, config);
}

}  // namespace

LoadedRun open_run(const fs::path& given, const OpenRunOptions& options) {
  // Read the checkpoint and apply the overrides to its configuration.
  const fs::path folder = find_checkpoint(given);
  Checkpoint checkpoint = read_checkpoint(folder, /*with_optimizer=*/false);
  const std::string config_file = (folder / "config.yaml").string();
  LoadedRun loaded{
      .checkpoint = folder,
      .config = options.overrides.empty()
                    ? parse_yaml(checkpoint.config_yaml, config_file)
                    : compose_config(config_file, options.overrides, {}, component_keys).root,
      .state = checkpoint.state};
  if (!options.trust_plugins) restrict_to_recorded_plugins(loaded.config, folder);
  // Construct the agent.
  const ConfigNode* node = loaded.config.find("agent");
  if (node == nullptr) {
    throw Error({.what = "the configuration has no section `agent`", .where = config_file});
  }
  {
    const WeightsFollow weights_follow(checkpoint.model);
    const RunFiles run_files(run_of_checkpoint(folder));
    loaded.agent = Registry::instance().create_agent(*node, "agent", checkpoint.state.spec,
                                                     checkpoint.state.seed);
  }
  // Load its weights.
  std::string file = "model.safetensors";
  if (options.use_ema && checkpoint.state.ema_step) {
    file = "ema.safetensors";
    for (auto& [name, average] : checkpoint.ema) checkpoint.model[name] = average;
  }
  try {
    load_tensors_strictly(*loaded.agent, checkpoint.model, (folder / file).string());
  } catch (const Error& error) {
    if (options.overrides.empty()) throw;
    Error::Parts parts = error.parts();
    parts.next = fmt::format("overrides may not change the sizes of weights: {}",
                             fmt::join(options.overrides, " "));
    throw Error(std::move(parts));
  }
  loaded.agent->to(options.device);
  loaded.agent->eval();
  return loaded;
}

std::shared_ptr<const Dataset> LoadedRun::open_data(const std::optional<fs::path>& other) const {
  return open_data_of(config, other);
}

std::shared_ptr<Environment> LoadedRun::make_environment() const {
  const ConfigNode* node = config.find("env");
  if (node == nullptr || node->is_null()) {
    throw Error({.what = "the run has no environment for rollouts",
                 .where = (checkpoint / "config.yaml").string(),
                 .expected = "a section `env`",
                 .next = "compare it with demonstrations instead: roboimi eval --open-loop "
                         "--checkpoint " +
                         shell_word(checkpoint.string())});
  }
  return Registry::instance().create<Environment>(*node, "env");
}

std::shared_ptr<const Dataset> open_data_of(const ConfigNode& config,
                                            const std::optional<fs::path>& other) {
  const ConfigNode* found = config.find("data");
  if (found == nullptr || !found->is_map()) {
    throw Error({.what = "the experiment has no data", .expected = "a section `data`"});
  }
  if (!other) return open_recorded_data(*found);
  ConfigNode node = *found;
  node.set("path", ConfigNode::scalar(other->string(), {.file = "command line"}, /*quoted=*/true));
  return Registry::instance().create<Dataset>(node, "data");
}

std::shared_ptr<const Dataset> open_recorded_data(const ConfigNode& data) {
  try {
    return Registry::instance().create<Dataset>(data, "data");
  } catch (const Error& error) {
    const ConfigNode* path = data.find("path");
    if (path == nullptr || !path->is_scalar() || std::filesystem::exists(path->text())) throw;
    Error::Parts parts = error.parts();
    const std::string hint = "if the data has moved, set its new path: data.path=FOLDER";
    const bool is_about_path = parts.where.find(path->text()) != std::string::npos;
    parts.next = is_about_path || parts.next.empty() ? hint : parts.next + "; " + hint;
    throw Error(std::move(parts));
  }
}

c10::Device device_from(const std::string& name) {
  const bool has_cuda = torch::cuda::is_available();
  if (name == "auto") return has_cuda ? c10::Device(c10::kCUDA, 0) : c10::Device(c10::kCPU);
  const bool is_cuda = name == "cuda" || name.starts_with("cuda:");
  const std::string number = name.starts_with("cuda:") ? name.substr(5) : "0";
  const bool is_number = !number.empty() && number.size() < 4 &&
                         number.find_first_not_of("0123456789") == std::string::npos;
  if (name != "cpu" && !(is_cuda && is_number)) {
    throw Error({.what = "unknown device '" + name + "'",
                 .where = "device",
                 .expected = "auto, cpu, cuda or cuda:N"});
  }
  if (name == "cpu") return c10::kCPU;
  const std::size_t count = has_cuda ? torch::cuda::device_count() : 0;
  if (std::stoul(number) >= count) {
    throw Error({.what = "no such device '" + name + "'",
                 .where = "device",
                 .found = std::to_string(count) + " CUDA devices",
                 .next = "use device=cpu, or a CUDA build of libtorch on a machine with a GPU"});
  }
  return {c10::kCUDA, static_cast<c10::DeviceIndex>(std::stoul(number))};
}

c10::Device device_from(const std::string& name, std::int64_t local_rank) {
  const c10::Device device = device_from(name);
  if (device.is_cpu() || name.starts_with("cuda:")) return device;
  const auto count = static_cast<std::int64_t>(torch::cuda::device_count());
  return {c10::kCUDA, static_cast<c10::DeviceIndex>(local_rank % count)};
}

}  // namespace roboimi
