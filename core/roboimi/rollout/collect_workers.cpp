#include "roboimi/rollout/collect_workers.h"

#include <chrono>
#include <map>
#include <sstream>

#include "roboimi/common/error.h"
#include "roboimi/common/worker_processes.h"

namespace roboimi {
namespace {

using namespace std::chrono_literals;

// A task is "SEED FILE"; its answer is "success" or "failure".
const std::string kSuccess = "success";
const std::string kFailure = "failure";

// Removes partially written files, however the work ends.
class CleanUp {
 public:
  explicit CleanUp(const Collection& collection) : collection_(collection) {}
  ~CleanUp() { collection_.clean_up(); }
  CleanUp(const CleanUp&) = delete;
  CleanUp& operator=(const CleanUp&) = delete;

 private:
  const Collection& collection_;
};

// Returns true once the collection is complete, or false if should_stop returned true.
bool hand_out_seeds(Collection& collection, WorkerProcesses& workers,
                    const CollectCallbacks& callbacks) {
  std::map<std::int64_t, std::uint64_t> busy;  // worker -> seed
  while (!collection.complete()) {
    for (std::int64_t worker = 0; worker < workers.size(); ++worker) {
      if (busy.count(worker) != 0) continue;
      const auto seed = collection.next_seed();
      if (!seed) break;
      workers.send(worker, std::to_string(*seed) + " " + collection.staged_file(*seed).string());
      busy[worker] = *seed;
    }
    if (callbacks.should_stop && callbacks.should_stop()) return false;
    ROBOIMI_CHECK(!busy.empty(), "an incomplete collection has no attempts in progress");
    const auto reply = workers.receive(100ms);
    if (!reply) continue;
    if (reply->line != kSuccess && reply->line != kFailure) {
      throw Error({.what = "invalid reply of a worker",
                   .expected = "'" + kSuccess + "' or '" + kFailure + "'",
                   .found = "'" + reply->line + "'",
                   .next = "make sure that the environment's plugin does not write to stdout"});
    }
    const std::uint64_t seed = busy.at(reply->worker);
    busy.erase(reply->worker);
    collection.finish(seed, reply->line == kSuccess);
    if (callbacks.progress) callbacks.progress(collection);
  }
  return true;
}

}  // namespace

bool collect_episodes(Collection& collection, const std::vector<std::string>& worker_command,
                      std::int64_t num_workers, const CollectCallbacks& callbacks) {
  const CleanUp clean_up(collection);  // after the workers have ended
  if (collection.complete()) return true;
  WorkerProcesses workers(worker_command, num_workers);
  try {
    return hand_out_seeds(collection, workers, callbacks);
  } catch (const WorkerEnded& error) {
    if (error.follows_request(callbacks.should_stop)) return false;
    throw;
  }
}

void serve_attempts(Environment& environment, const EpisodeWriter& writer, double noise) {
  serve_tasks([&](const std::string& task) {
    std::istringstream words(task);
    std::uint64_t seed = 0;
    std::string file;
    words >> seed >> std::ws;
    std::getline(words, file);
    const EpisodeRecord record = record_episode(environment, seed, noise);
    if (*record.success) writer.write(file, record);
    return *record.success ? kSuccess : kFailure;
  });
}

}  // namespace roboimi
