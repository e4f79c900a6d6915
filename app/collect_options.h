// The keys of a config for `roboimi collect`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "roboimi/config/declare.h"
#include "roboimi/config/node.h"

namespace roboimi::app {

// The `collect` section.
struct CollectOptions {
  std::filesystem::path output = "data/sim_transfer";
  std::int64_t num_episodes = 50;
  std::uint64_t first_seed = 0;
  std::int64_t workers = 2;
  double noise = 0.0;  // in the unit of length of the task
  std::int64_t max_attempts = 1000;
};

struct CollectionOptions {
  std::string name = "collect";
  ConfigNode env, writer;
  CollectOptions collect;
};

void declare(OptionFields& fields, CollectOptions& options);
void declare(OptionFields& fields, CollectionOptions& options);

}  // namespace roboimi::app
