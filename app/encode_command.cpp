// The command `roboimi encode`, which writes the embeddings of a dataset, using the cache of
// training.
#include <fmt/format.h>

#include <boost/program_options.hpp>
#include <iostream>
#include <nlohmann/json.hpp>

#include "app/commands.h"
#include "app/common_options.h"
#include "app/config_argument.h"
#include "roboimi/checkpoint/loaded_run.h"
#include "roboimi/common/error.h"
#include "roboimi/common/interrupted.h"
#include "roboimi/common/json_text.h"
#include "roboimi/common/paths.h"
#include "roboimi/common/random.h"
#include "roboimi/contract/backbone.h"
#include "roboimi/data/embedding_cache.h"
#include "roboimi/io/safetensors.h"
#include "roboimi/plugin/registry.h"
#include "roboimi/track/progress.h"
#include "roboimi/train/experiment.h"
#include "roboimi/train/stop_request.h"
#include "roboimi/train/training_data.h"

namespace roboimi::app {
namespace {

namespace po = boost::program_options;

constexpr const char* kEncodeUsage =
    R"(usage: roboimi encode [--config] CONFIG --out FILE.safetensors [KEY=VALUE ...] [options]

Writes the features of CONFIG's frozen backbone for every frame of its data: `embeddings` [N, V], and
the `episode` and `frame` of each row. Training with the same backbone and data uses the same cache,
so each frame is encoded once. If interrupted, the same command resumes.

)";

constexpr const char* kEncodeExample = R"(
example: roboimi encode --config lewm_imf_attnres.yaml --checkpoint lewm.ckpt \
                        --data data/sim_transfer --out embeddings.safetensors
)";

struct EncodeRequest {
  std::string config;
  std::optional<std::string> checkpoint, data, out;
  std::vector<std::string> overrides;
  std::vector<std::filesystem::path> config_dirs, plugin_dirs;
  bool json = false, help = false, trust_plugins = false;
};

po::options_description encode_options() {
  po::options_description options("options");
  options.add_options()("config,c", po::value<std::string>()->value_name("CONFIG"),
                        "config with agent.backbone (or backbone) and data, by path or name")(
      "checkpoint", po::value<std::string>()->value_name("FILE"), "weights of the backbone")(
      "data", po::value<std::string>()->value_name("PATH"), "path of the data")(
      "out", po::value<std::string>()->value_name("FILE"), "file to write")(
      "config-dir", po::value<std::vector<std::string>>()->value_name("DIR")->composing(),
      "another folder of configs; may be repeated")(
      "plugin-path", po::value<std::vector<std::string>>()->value_name("DIR")->composing(),
      "another folder of plugins; may be repeated")(
      "trust-plugins", po::bool_switch(),
      "also open libraries that the run's config names but the run did not record")(
      "json", "print the summary as JSON")("help,h", "print this help");
  return options;
}

std::optional<std::string> optional_value(const po::variables_map& values, const char* name) {
  if (values.count(name) == 0) return std::nullopt;
  return values[name].as<std::string>();
}

EncodeRequest read_encode_request(const Arguments& words) {
  ParsedArguments parsed = parse_arguments(words, encode_options());
  take_positional(parsed, "config");
  const po::variables_map& values = parsed.values;
  EncodeRequest request;
  request.help = values.count("help") > 0;
  request.json = values.count("json") > 0;
  request.config = optional_value(values, "config").value_or("");
  request.checkpoint = optional_value(values, "checkpoint");
  request.data = optional_value(values, "data");
  request.out = optional_value(values, "out");
  if (request.out) request.out = expand_home(*request.out);
  request.overrides = parsed.words;
  request.config_dirs = paths_of(values, "config-dir");
  request.plugin_dirs = paths_of(values, "plugin-path");
  request.trust_plugins = values["trust-plugins"].as<bool>();
  if (!request.help && (request.config.empty() || !request.out)) {
    throw Error({.what = request.config.empty() ? "no config given" : "no output file given",
                 .expected = "roboimi encode CONFIG --out FILE.safetensors",
                 .next = "see roboimi encode --help"});
  }
  return request;
}

// The table at `path`. Throws Error if there is none.
ConfigNode required_table(const ComposedConfig& config, const std::string& path) {
  const ConfigNode* node = config.root.find_path(path);
  if (node != nullptr && node->is_map()) return *node;
  throw Error({.what = "the config has no '" + path + "'",
               .where = config.file.string(),
               .expected = "agent.backbone (or backbone) and data",
               .next = "use a config for roboimi run"});
}

ConfigNode path_value(const std::string& value) {
  return ConfigNode::scalar(value, {.file = "command line"}, /*quoted=*/true);
}

struct EncodeJob {
  std::string backbone_path;
  ConfigNode backbone, data;
  CacheOptions cache;
  c10::Device device;
};

EncodeJob read_encode_job(const EncodeRequest& request) {
  const ComposedConfig config =
      compose_training(request.config, request.overrides, request.config_dirs);
  restrict_plugins_of(config, request.trust_plugins);
  const bool has_agent = config.root.find_path("agent.backbone") != nullptr;
  const std::string path = has_agent ? "agent.backbone" : "backbone";
  const ConfigNode* cache = config.root.find("cache");
  const ConfigNode* device = config.root.find("device");
  EncodeJob job{.backbone_path = path,
                .backbone = required_table(config, path),
                .data = required_table(config, "data"),
                .cache = options_from<CacheOptions>(parse_options(
                    cache != nullptr ? *cache : ConfigNode(), schema_of<CacheOptions>(), "cache")),
                .device = device_from(device != nullptr ? device->text() : "auto")};
  if (request.checkpoint) job.backbone.set("checkpoint", path_value(*request.checkpoint));
  if (request.data) job.data.set("path", path_value(*request.data));
  return job;
}

EmbeddingCacheOptions cache_options(const EncodeJob& job, std::unique_ptr<Progress>& progress,
                                    const StopRequest& stop) {
  EmbeddingCacheOptions options;
  options.folder = job.cache.folder.value_or("");
  options.verify = job.cache.verify;
  options.block_size = job.cache.block_size;
  options.device = job.device;
  options.identity = component_identity(Registry::instance(), ComponentKind::kBackbone,
                                        job.backbone, job.backbone_path);
  options.data_identity =
      component_identity(Registry::instance(), ComponentKind::kDataset, job.data, "data");
  options.should_stop = [&stop] { return stop.requested(); };
  options.progress = [&progress](std::int64_t done, std::int64_t total) {
    if (!progress) progress = std::make_unique<Progress>("encode", total, done);
    progress->update(done, "");
  };
  return options;
}

void write_embeddings(const std::string& out, const Embeddings& embeddings, const Dataset& dataset,
                      const ComponentIdentity& identity) {
  nlohmann::ordered_json files = nlohmann::ordered_json::array();
  for (std::int64_t i = 0; i < dataset.num_episodes(); ++i) {
    files.push_back(dataset.episode(i).file.string());
  }
  write_safetensors(
      out,
      {{"embeddings", embeddings.values.squeeze(1)},
       {"episode", embeddings.episode},
       {"frame", embeddings.frame}},
      {{"fingerprint", embeddings.fingerprint},
       {"backbone", fmt::format("{} {}\n{}", identity.component, identity.build, identity.options)},
       {"files", json_text(files, -1)}});
}

void print_embeddings(const std::string& out, const Embeddings& embeddings, bool json) {
  if (json) {
    const nlohmann::ordered_json summary = {{"out", out},
                                            {"num_frames", embeddings.values.size(0)},
                                            {"dim", embeddings.values.size(2)},
                                            {"num_encoded", embeddings.num_encoded},
                                            {"cache", embeddings.file.string()},
                                            {"fingerprint", embeddings.fingerprint}};
    std::cout << json_text(summary) << "\n";
    return;
  }
  std::cout << fmt::format("{}: {} embeddings of {} numbers, {} of them new; cache {}\n", out,
                           embeddings.values.size(0), embeddings.values.size(2),
                           embeddings.num_encoded, embeddings.file.string());
}

int encode(const EncodeRequest& request) {
  // Create the dataset and the backbone.
  require_writable_file(*request.out, "--out");
  Registry& registry = Registry::instance();
  registry.load_search_path(plugin_search_path(request.plugin_dirs));
  const EncodeJob job = read_encode_job(request);
  const auto dataset = registry.create<Dataset>(job.data, "data");
  const auto backbone = [&] {
    const SeededConstruction seeded(0);
    return registry.create<Backbone>(job.backbone, job.backbone_path, dataset->spec());
  }();
  backbone->to(job.device);
  // Encode the frames that are not in the cache.
  const StopRequest stop;
  std::unique_ptr<Progress> progress;
  const EmbeddingCacheOptions options = cache_options(job, progress, stop);
  Embeddings embeddings;
  try {
    embeddings = cached_embeddings(*backbone, *dataset, options);
  } catch (const Interrupted& error) {
    progress.reset();
    std::cerr << error.what() << "\n";
    return kInterruptedStatus;
  }
  progress.reset();
  write_embeddings(*request.out, embeddings, *dataset, options.identity);
  print_embeddings(*request.out, embeddings, request.json);
  return EXIT_SUCCESS;
}

}  // namespace

int encode_command(const Arguments& words) {
  const EncodeRequest request = read_encode_request(words);
  if (request.help) {
    std::cout << kEncodeUsage << encode_options() << kEncodeExample;
    return EXIT_SUCCESS;
  }
  return encode(request);
}

}  // namespace roboimi::app
