// A collection by several processes: the side that hands out seeds, and the side that tries them.
//
//   owner:   collect_episodes(collection, {"/proc/self/exe", ..., "--worker"}, 2, {});
//   worker:  serve_attempts(environment, writer, noise);
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/environment.h"
#include "roboimi/rollout/collect.h"

namespace roboimi {

struct CollectCallbacks {
  // Called whenever an attempt has ended.
  std::function<void(const Collection& collection)> progress = {};
  std::function<bool()> should_stop = {};  // asked several times a second
};

// Runs attempts until the collection is complete: true; or until should_stop: false. Then nothing
// half done is left. Error: a worker failed, or max_attempts were not enough.
ROBOIMI_EXPORT bool collect_episodes(Collection& collection,
                                     const std::vector<std::string>& worker_command,
                                     std::int64_t num_workers, const CollectCallbacks& callbacks);

// Tries the seeds that come on standard input until it ends. An Error is told to the owner.
ROBOIMI_EXPORT void serve_attempts(Environment& environment, const EpisodeWriter& writer,
                                   double noise);

}  // namespace roboimi
