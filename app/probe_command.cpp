#include "app/probe_command.h"

#include <fmt/format.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "app/commands.h"
#include "app/common_options.h"
#include "app/config_argument.h"
#include "app/demonstrations.h"
#include "app/interruptible.h"
#include "roboimi/checkpoint/loaded_run.h"
#include "roboimi/common/error.h"
#include "roboimi/common/json_text.h"
#include "roboimi/contract/backbone.h"
#include "roboimi/plugin/registry.h"
#include "roboimi/train/experiment.h"
#include "roboimi/train/probe.h"
#include "roboimi/train/representation.h"
#include "roboimi/train/run_folder.h"
#include "roboimi/train/stop_request.h"
#include "roboimi/train/training_data.h"

namespace roboimi::app {
namespace {

namespace fs = std::filesystem;
namespace po = boost::program_options;

// One episode of five is held out if the experiment holds out none.
constexpr std::int64_t kHeldOutShare = 5;

// The agent whose representation is probed.
struct ProbeSubject {
  std::string name;
  ConfigNode config;
  std::shared_ptr<const Dataset> dataset;
  std::shared_ptr<Agent> agent;
};

c10::Device probe_device(const po::variables_map& values) {
  return device_from(values["device"].as<std::string>());
}

ProbeSubject trained_subject(const po::variables_map& values) {
  const LoadedRun run = open_run(values["checkpoint"].as<std::string>(),
                                 {.use_ema = !values["no-ema"].as<bool>(),
                                  .device = probe_device(values),
                                  .trust_plugins = values["trust-plugins"].as<bool>()});
  return {.name = run.checkpoint.string(),
          .config = run.config,
          .dataset = run.open_data(other_data(values)),
          .agent = run.agent};
}

// The agent before training, with the backbone's own weights.
ProbeSubject untrained_subject(const po::variables_map& values,
                               const std::vector<std::string>& overrides) {
  const ComposedConfig composed = compose_training(values["config"].as<std::string>(), overrides,
                                                   paths_of(values, "config-dir"));
  restrict_plugins_of(composed, values["trust-plugins"].as<bool>());
  const Options options = experiment_options(composed.root);
  ProbeSubject subject{.name = composed.file.string(),
                       .config = composed.root,
                       .dataset = open_data_of(composed.root, other_data(values))};
  subject.agent = Registry::instance().create_agent(
      options.component("agent"), "agent", subject.dataset->spec(),
      static_cast<std::uint64_t>(options.integer("seed")));
  subject.agent->to(probe_device(values));
  return subject;
}

HeldOut held_out(const po::variables_map& values, const ProbeSubject& subject) {
  if (values.count("held-out") != 0) return {.episodes = values["held-out"].as<std::int64_t>()};
  const HeldOut own = held_out_of(subject.config);
  if (own.episodes > 0 || own.fraction > 0.0) return own;
  return {.episodes = std::max<std::int64_t>(1, subject.dataset->num_episodes() / kHeldOutShare)};
}

TrainingData probe_training_data(const ProbeSubject& subject, const po::variables_map& values,
                                 const StopRequest& stop) {
  const ConfigNode* cache = subject.config.find("cache");
  const ConfigNode* agent = subject.config.find("agent");
  TrainingData data = prepare_training_data(
      subject.dataset, *subject.agent,
      options_from<CacheOptions>(parse_options(cache != nullptr ? *cache : ConfigNode(),
                                               schema_of<CacheOptions>(), "cache")),
      {.device = probe_device(values),
       .backbone_identity = feature_identity(Registry::instance(), *agent),
       .data_identity = component_identity(Registry::instance(), ComponentKind::kDataset,
                                           *subject.config.find("data"), "data"),
       .held_out = held_out(values, subject),
       .should_stop = [&stop] { return stop.requested(); }});
  if (!data.embeddings) {
    throw Error({.what = "there are no cached features to probe",
                 .where = subject.name,
                 .expected = "an agent with a frozen backbone, and cache.enabled=true",
                 .next = "freeze the backbone: agent.backbone.frozen=true"});
  }
  return data;
}

nlohmann::ordered_json probe_json(const std::map<std::string, double>& metrics,
                                  const std::vector<ProbeResult>& results) {
  nlohmann::ordered_json json = metrics;
  for (const ProbeResult& result : results) {
    json["probes"][result.name] = {{"r2", result.r2},
                                   {"r2_low", result.r2_low},
                                   {"r2_high", result.r2_high},
                                   {"rmse", result.rmse}};
  }
  return json;
}

void print_probes(const ProbeSubject& subject, const TrainingData& data,
                  const std::map<std::string, double>& metrics,
                  const std::vector<ProbeResult>& results) {
  std::cout << fmt::format(
      "representation        {}\n"
      "episodes              {} to fit the probes, {} held out\n"
      "effective rank        {:.1f}\n"
      "standard deviation    mean {:.3g}, minimum {:.3g}\n",
      subject.name, data.training_episodes.size(), data.held_out_episodes.size(),
      metrics.at("effective_rank"), metrics.at("std_mean"), metrics.at("std_min"));
  if (const std::string collapse = collapse_of(metrics); !collapse.empty()) {
    std::cout << "collapsed             " << collapse << "\n";
  }
  for (const ProbeResult& result : results) {
    std::cout << fmt::format(
        "{:<21} R^2 {:.3f}  (95 % interval {:.3f} .. {:.3f}), RMS error {:.4f}\n", result.name,
        result.r2, result.r2_low, result.r2_high, result.rmse);
  }
}

}  // namespace

int probe(const po::variables_map& values, const std::vector<std::string>& overrides) {
  if (values.count("output") != 0) {
    require_new_folder(values["output"].as<std::string>(), "--output");
  }
  const StopRequest stop;
  const ProbeSubject subject = values.count("checkpoint") != 0
                                   ? trained_subject(values)
                                   : untrained_subject(values, overrides);
  const c10::Device device = probe_device(values);
  return interruptible([&] {
    // Fit the probes on the training episodes, and test them on the held-out ones.
    const TrainingData data = probe_training_data(subject, values, stop);
    const ProbeData train = data.probe_data(*subject.agent, data.training_episodes, device);
    const ProbeData held_out = data.probe_data(*subject.agent, data.held_out_episodes, device);
    const auto metrics = representation_metrics(held_out.representation);
    const auto results = linear_probes(train, held_out, {});
    // Write and print the results.
    if (values.count("output") != 0) {
      const fs::path folder = values["output"].as<std::string>();
      fs::create_directories(folder);
      write_pca_image(folder / "pca_episode.png",
                      held_out.representation.slice(0, 0, held_out.first[1]));
    }
    if (values["json"].as<bool>()) {
      std::cout << json_text(probe_json(metrics, results)) << std::endl;
    } else {
      print_probes(subject, data, metrics, results);
    }
  });
}

}  // namespace roboimi::app
