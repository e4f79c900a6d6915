// Collection with several processes: the owner hands out seeds, and the workers try them.
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
  // Called after every attempt.
  std::function<void(const Collection& collection)> progress = {};
  std::function<bool()> should_stop = {};  // called several times per second
};

// Runs attempts until the collection is complete (returns true) or should_stop returns true
// (returns false). Leaves no partly written files. Throws Error if a worker failed, or if
// max_attempts were not enough.
ROBOIMI_EXPORT bool collect_episodes(Collection& collection,
                                     const std::vector<std::string>& worker_command,
                                     std::int64_t num_workers, const CollectCallbacks& callbacks);

// Tries the seeds that it reads from standard input, until end of input. Sends an Error to the
// owner.
ROBOIMI_EXPORT void serve_attempts(Environment& environment, const EpisodeWriter& writer,
                                   double noise);

}  // namespace roboimi
