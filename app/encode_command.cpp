// roboimi encode: the embeddings of a dataset, by the cache that training uses.
#include <fmt/format.h>

#include <boost/program_options.hpp>
#include <iostream>
#include <nlohmann/json.hpp>

#include "app/commands.h"
#include "app/common_options.h"
#include "roboimi/checkpoint/loaded_run.h"
#include "roboimi/common/error.h"
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

constexpr const char* kUsage =
    R"(usage: roboimi encode --config CONFIG --out FILE.safetensors [KEY=VALUE ...] [options]

Writes the features that CONFIG's frozen backbone gives for every frame of its data: `embeddings`
[N, V], and the `episode` and `frame` of each row. Training with the same backbone and data starts
from the same cache, so that each frame is encoded once. Interrupted, it continues where it was.

)";

constexpr const char* kExample = R"(
example: roboimi encode --config lewm_imf_attnres.yaml --checkpoint lewm.ckpt \
                        --data data/sim_transfer --out embeddings.safetensors
)";

struct Request {
  std::string config;
  std::optional<std::string> checkpoint, data, out;
  std::vector<std::string> overrides;
  std::vector<std::filesystem::path> config_dirs, plugin_dirs;
  bool json = false, help = false, trust_plugins = false;
};

po::options_description visible_options() {
  po::options_description options("options");
  options.add_options()("config", po::value<std::string>()->value_name("FILE"),
                        "an experiment, with agent.backbone (or backbone) and data")(
      "checkpoint", po::value<std::string>()->value_name("FILE"), "the backbone's weights")(
      "data", po::value<std::string>()->value_name("PATH"), "the data's path")(
      "out", po::value<std::string>()->value_name("FILE"), "the file to write")(
      "config-dir", po::value<std::vector<std::string>>()->value_name("DIR")->composing(),
      "another folder of configs; may be repeated")(
      "plugin-path", po::value<std::vector<std::string>>()->value_name("DIR")->composing(),
      "another folder of plugins; may be repeated")(
      "trust-plugins", po::bool_switch(),
      "open the libraries that a run's configuration names, though the run did not record them")(
      "json", "print the summary as JSON")("help,h", "print this");
  return options;
}

std::optional<std::string> text(const po::variables_map& values, const char* name) {
  if (values.count(name) == 0) return std::nullopt;
  return values[name].as<std::string>();
}

Request parse_request(const Arguments& words) {
  const auto [values, overrides] = parse_arguments(words, visible_options());
  Request request;
  request.help = values.count("help") > 0;
  request.json = values.count("json") > 0;
  request.config = text(values, "config").value_or("");
  request.checkpoint = text(values, "checkpoint");
  request.data = text(values, "data");
  request.out = text(values, "out");
  if (request.out) request.out = expand_home(*request.out);
  request.overrides = overrides;
  request.config_dirs = paths_of(values, "config-dir");
  request.plugin_dirs = paths_of(values, "plugin-path");
  request.trust_plugins = values["trust-plugins"].as<bool>();
  if (!request.help && (request.config.empty() || !request.out)) {
    throw Error({.what = request.config.empty() ? "no config named" : "no output file named",
                 .expected = "roboimi encode --config CONFIG --out FILE.safetensors",
                 .next = "see roboimi encode --help"});
  }
  return request;
}

// The map at `path`; Error when there is none.
ConfigNode section(const ComposedConfig& config, const std::string& path) {
  const ConfigNode* node = config.root.find_path(path);
  if (node != nullptr && node->is_map()) return *node;
  throw Error({.what = "the config has no '" + path + "'",
               .where = config.file.string(),
               .expected = "agent.backbone (or backbone) and data",
               .next = "name an experiment's config"});
}

ConfigNode path_value(const std::string& value) {
  return ConfigNode::scalar(value, {.file = "command line"}, /*quoted=*/true);
}

struct Job {
  std::string backbone_path;
  ConfigNode backbone, data;
  CacheOptions cache;
  c10::Device device;
};

Job read_job(const Request& request) {
  const ComposedConfig config =
      compose_experiment(request.config, request.overrides, request.config_dirs);
  restrict_plugins_of(config, request.trust_plugins);
  const bool has_agent = config.root.find_path("agent.backbone") != nullptr;
  const std::string path = has_agent ? "agent.backbone" : "backbone";
  const ConfigNode* cache = config.root.find("cache");
  const ConfigNode* device = config.root.find("device");
  Job job{.backbone_path = path,
          .backbone = section(config, path),
          .data = section(config, "data"),
          .cache = options_from<CacheOptions>(parse_options(
              cache != nullptr ? *cache : ConfigNode(), schema_of<CacheOptions>(), "cache")),
          .device = device_from(device != nullptr ? device->text() : "auto")};
  if (request.checkpoint) job.backbone.set("checkpoint", path_value(*request.checkpoint));
  if (request.data) job.data.set("path", path_value(*request.data));
  return job;
}

EmbeddingCacheOptions cache_options(const Job& job, std::unique_ptr<Progress>& progress,
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

void write_output(const std::string& out, const Embeddings& embeddings, const Dataset& dataset,
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

void print_summary(const std::string& out, const Embeddings& embeddings, bool json) {
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
  std::cout << fmt::format("{}: {} embeddings of {} numbers, {} encoded now; cache {}\n", out,
                           embeddings.values.size(0), embeddings.values.size(2),
                           embeddings.num_encoded, embeddings.file.string());
}

int encode(const Request& request) {
  require_writable_file(*request.out, "--out");
  Registry& registry = Registry::instance();
  registry.load_search_path(plugin_search_path(request.plugin_dirs));
  const Job job = read_job(request);
  const auto dataset = registry.create<Dataset>(job.data, "data");
  const auto backbone = [&] {
    const SeededConstruction seeded(0);
    return registry.create<Backbone>(job.backbone, job.backbone_path, dataset->spec());
  }();
  backbone->to(job.device);
  const StopRequest stop;
  std::unique_ptr<Progress> progress;
  const EmbeddingCacheOptions options = cache_options(job, progress, stop);
  Embeddings embeddings;
  try {
    embeddings = cached_embeddings(*backbone, *dataset, options);
  } catch (const Error& error) {
    if (!stop.requested()) throw;
    progress.reset();
    std::cerr << error.what() << "\n";
    return kInterruptedStatus;
  }
  progress.reset();
  write_output(*request.out, embeddings, *dataset, options.identity);
  print_summary(*request.out, embeddings, request.json);
  return EXIT_SUCCESS;
}

}  // namespace

int encode_command(const Arguments& words) {
  const Request request = parse_request(words);
  if (request.help) {
    std::cout << kUsage << visible_options() << kExample;
    return EXIT_SUCCESS;
  }
  return encode(request);
}

}  // namespace roboimi::app
