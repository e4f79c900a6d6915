// The command `roboimi collect`, which records demonstrations of a scripted expert in several
// processes.
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <boost/program_options.hpp>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "app/collect_options.h"
#include "app/commands.h"
#include "app/common_options.h"
#include "app/config_argument.h"
#include "roboimi/common/error.h"
#include "roboimi/common/hash.h"
#include "roboimi/common/json_text.h"
#include "roboimi/common/paths.h"
#include "roboimi/common/worker_processes.h"
#include "roboimi/config/declare.h"
#include "roboimi/plugin/registry.h"
#include "roboimi/rollout/collect.h"
#include "roboimi/rollout/collect_workers.h"
#include "roboimi/rollout/fit.h"
#include "roboimi/track/progress.h"
#include "roboimi/train/stop_request.h"

namespace roboimi::app {
namespace {

namespace po = boost::program_options;

constexpr const char* kCollectUsage =
    R"(usage: roboimi collect [--config] CONFIG [KEY=VALUE ...] [options]

Runs the environment's scripted expert and writes the episodes that succeed. The files depend on the
settings, not on the number of workers. If interrupted, the same command resumes: complete files are
kept.

)";

constexpr const char* kCollectExample = R"(
example: roboimi collect --config collect_sim_transfer.yaml collect.num_episodes=20
)";

struct CollectRequest {
  std::string config;
  std::vector<std::string> overrides;
  std::vector<std::filesystem::path> config_dirs, plugin_dirs;
  bool json = false, help = false, worker = false;
};

po::options_description collect_options() {
  po::options_description options("options");
  options.add_options()("config,c", po::value<std::string>()->value_name("CONFIG"),
                        "config with the sections env, writer and collect, by path or name")(
      "config-dir", po::value<std::vector<std::string>>()->value_name("DIR")->composing(),
      "another folder of configs; may be repeated")(
      "plugin-path", po::value<std::vector<std::string>>()->value_name("DIR")->composing(),
      "another folder of plugins; may be repeated")("json", "print the summary as JSON")(
      "help,h", "print this help");
  return options;
}

CollectRequest read_collect_request(const Arguments& words) {
  po::options_description all = collect_options();
  all.add_options()("worker", "");
  ParsedArguments parsed = parse_arguments(words, all);
  take_positional(parsed, "config");
  const po::variables_map& values = parsed.values;
  CollectRequest request;
  request.overrides = parsed.words;
  request.help = values.count("help") > 0;
  request.json = values.count("json") > 0;
  request.worker = values.count("worker") > 0;
  request.config_dirs = paths_of(values, "config-dir");
  request.plugin_dirs = paths_of(values, "plugin-path");
  if (values.count("config") > 0) request.config = values["config"].as<std::string>();
  return request;
}

CollectionOptions read_collection(const CollectRequest& request) {
  if (request.config.empty()) {
    throw Error({.what = "no config given",
                 .expected = "roboimi collect CONFIG",
                 .next = "see roboimi collect --help"});
  }
  const ComposedConfig config = compose_collection(request.config, request.overrides,
                                                   request.config_dirs, request.plugin_dirs);
  Registry::instance().load_search_path(request.plugin_dirs);
  return options_from<CollectionOptions>(
      parse_options(config.root, schema_of<CollectionOptions>()));
}

// The settings on which the episodes depend in addition to their seeds.
std::string settings_of(const CollectionOptions& job) {
  Registry& registry = Registry::instance();
  const auto resolved = [&](ComponentKind kind, const char* key, const ConfigNode& node) {
    const ConfigNode* type = node.find("type");
    return fmt::format("{}: {}\n{}\n", key, type != nullptr ? type->text() : "",
                       registry.options_of(kind, node, key).to_node().to_yaml());
  };
  return fmt::format("noise: {}\n{}{}", job.collect.noise,
                     resolved(ComponentKind::kEnvironment, "env", job.env),
                     resolved(ComponentKind::kEpisodeWriter, "writer", job.writer));
}

// The plugin of the environment, with the checksum of its build.
std::string simulator_of(const CollectionOptions& job) {
  Registry& registry = Registry::instance();
  const ComponentInfo component = registry.selected(ComponentKind::kEnvironment, job.env, "env");
  for (const LoadedPlugin& plugin : registry.plugins()) {
    if (component.file.empty() || plugin.file != component.file) continue;
    return fmt::format("{} {} sha256 {}", plugin.name, plugin.version, sha256_file(plugin.file));
  }
  return component.name + ", linked in";
}

int collect_as_worker(const CollectionOptions& job) {
  leave_signals_to_owner();
  at::set_num_threads(1);
  Registry& registry = Registry::instance();
  const auto environment = registry.create<Environment>(job.env, "env");
  const auto writer = registry.create<EpisodeWriter>(job.writer, "writer");
  serve_attempts(*environment, *writer, job.collect.noise);
  return EXIT_SUCCESS;
}

void print_collection(const Collection& collection, const CollectionOptions& job, double seconds,
                      bool json) {
  const std::int64_t wanted = job.collect.num_episodes;
  const std::string output = job.collect.output.string();
  if (json) {
    const nlohmann::ordered_json summary = {{"output", output},
                                            {"num_episodes", collection.num_written()},
                                            {"num_kept", collection.num_kept()},
                                            {"num_failed", collection.num_failed()},
                                            {"complete", collection.complete()},
                                            {"seconds", seconds}};
    std::cout << json_text(summary) << "\n";
    return;
  }
  std::cout << fmt::format(
      "{}: {} of {} episodes ({} already existed), {} failed attempts left out, {:.1f} s\n", output,
      collection.num_written(), wanted, collection.num_kept(), collection.num_failed(), seconds);
}

// Runs the first steps of a worker before the folder is created, so that a missing expert, OpenGL
// or write permission leaves nothing behind.
void check_collection(const CollectionOptions& job) {
  require_writable_folder(job.collect.output, "collect.output");
  const auto environment = Registry::instance().create<Environment>(job.env, "env");
  const std::uint64_t seed = job.collect.first_seed;
  start_demonstration(*environment, seed, job.collect.noise);
  try_environment(*environment, seed, /*with_images=*/true, /*films=*/false);
}

int collect(const CollectRequest& request, const CollectionOptions& job, const Arguments& words) {
  Registry& registry = Registry::instance();
  const std::shared_ptr<EpisodeWriter> writer =
      registry.create<EpisodeWriter>(job.writer, "writer");
  check_collection(job);
  // Prepare the collection, which keeps the episodes that exist.
  const std::int64_t wanted = job.collect.num_episodes;
  Collection collection({.output = job.collect.output,
                         .num_episodes = wanted,
                         .first_seed = job.collect.first_seed,
                         .max_attempts = job.collect.max_attempts,
                         .settings = settings_of(job),
                         .simulator = simulator_of(job)},
                        writer);
  // Run the workers, which are this program with the same arguments.
  std::vector<std::string> worker_command = {"/proc/self/exe", "collect", "--worker"};
  worker_command.insert(worker_command.end(), words.begin(), words.end());
  const StopRequest stop;
  const auto started = std::chrono::steady_clock::now();
  Progress progress("collect", wanted, collection.num_written());
  const bool complete = collect_episodes(
      collection, worker_command, job.collect.workers,
      {.progress =
           [&](const Collection& now) {
             progress.update(now.num_written(), fmt::format("{} failed", now.num_failed()));
           },
       .should_stop = [&] { return stop.requested(); }});
  progress.clear();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - started;
  print_collection(collection, job, seconds.count(), request.json);
  if (!complete) std::cerr << "interrupted; run the same command again to resume\n";
  return complete ? EXIT_SUCCESS : kInterruptedStatus;
}

}  // namespace

int collect_command(const Arguments& words) {
  const CollectRequest request = read_collect_request(words);
  if (request.help) {
    std::cout << kCollectUsage << collect_options() << kCollectExample;
    return EXIT_SUCCESS;
  }
  const CollectionOptions job = read_collection(request);
  return request.worker ? collect_as_worker(job) : collect(request, job, words);
}

}  // namespace roboimi::app
