// The options of an experiment file. Internal to train; see experiment.h.
//
//   const Options options = experiment_options(root);
//   const ExperimentOptions experiment = options_from<ExperimentOptions>(options);
//   device_from(experiment.device);
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "roboimi/config/declare.h"
#include "roboimi/config/node.h"
#include "roboimi/track/swanlab_follower.h"
#include "roboimi/train/train_options.h"
#include "roboimi/train/training_data.h"

namespace roboimi {

struct ExperimentOptions {
  std::string name = "run";  // the run folder is <output_dir>/<date>_<time>_<name>
  std::uint64_t seed = 0;
  std::string device = "auto";
  std::filesystem::path output_dir = "runs";
  ConfigNode agent, data;
  std::optional<ConfigNode> env, communicator;
  CacheOptions cache;
  TrainOptions train;
  SwanlabOptions track;
};

void declare(OptionFields& fields, ExperimentOptions& options);

}  // namespace roboimi
