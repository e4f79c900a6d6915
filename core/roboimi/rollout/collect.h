// Collection of demonstrations with a scripted expert. The result depends only on the settings, not
// on the number of processes or on interruptions.
//
// Attempt i runs the expert from seed first_seed + i. The first num_episodes successes, in the
// order of their seeds, become episodes 0, 1, ...; failed attempts are counted but not stored.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/common/process_lock.h"
#include "roboimi/contract/environment.h"
#include "roboimi/contract/episode_writer.h"
#include "roboimi/contract/observation.h"
#include "roboimi/contract/scene.h"
#include "roboimi/rollout/collect_staged.h"

namespace roboimi {

// An episode that has just started, and its expert.
struct Demonstration {
  Observation first;  // with images
  std::unique_ptr<Expert> expert;
};

// Resets the environment to `seed` and creates the expert. Throws Error if the environment has no
// scene (before anything moves), or if its scene has no expert.
ROBOIMI_EXPORT Demonstration start_demonstration(Environment& environment, std::uint64_t seed,
                                                 double noise);

// Runs the environment's expert from `seed` to the end of the episode, and records observations and
// actions. Throws the same Errors.
ROBOIMI_EXPORT EpisodeRecord record_episode(Environment& environment, std::uint64_t seed,
                                            double noise);

struct CollectionOptions {
  std::filesystem::path output;  // folder of the episodes
  std::int64_t num_episodes = 50;
  std::uint64_t first_seed = 0;
  std::int64_t max_attempts = 1000;
  // Everything else that the episodes depend on (environment, noise, writer), as a string. A folder
  // with different settings in its collection.txt is rejected.
  std::string settings;
  // The simulator's plugin and build in one line, or empty. A folder from another build is
  // rejected. A folder from an earlier version, whose collection.txt names none, is continued.
  std::string simulator = {};
};

// The state of a collection: which seed to try next, and which episode it becomes. Finished
// attempts stay in `<output>/.staged` until the outcomes of all earlier seeds are known. While the
// object exists, no other process can collect into the folder.
//
//   Collection collection(options, writer);           // continues an earlier one
//   while (auto seed = collection.next_seed()) {
//     ... record, collection.staged_file(*seed) ...
//     collection.finish(*seed, success);
//   }
class ROBOIMI_EXPORT Collection {
 public:
  // Throws Error if another process collects into the folder (the message has its process id and
  // machine), if the folder has episodes with other settings, or if it cannot be written.
  Collection(CollectionOptions options, std::shared_ptr<const EpisodeWriter> writer);
  ~Collection();

  // The next seed to try, which is then in progress; empty if no further attempt is needed now.
  std::optional<std::uint64_t> next_seed();
  // The file for the record of a successful attempt.
  std::filesystem::path staged_file(std::uint64_t seed) const;
  // Ends the attempt of a seed in progress. A success must have been written to its staged file.
  void finish(std::uint64_t seed, bool success);

  // True if num_episodes are in place. finish() and the constructor throw Error if max_attempts
  // were not enough.
  bool complete() const { return num_written_ == options_.num_episodes; }
  std::int64_t num_written() const { return num_written_; }  // episodes in place
  std::int64_t num_kept() const { return num_kept_; }        // of these, those found at the start
  std::int64_t num_failed() const { return num_failed_; }    // attempts before the last episode
  // Removes temporary files and, once complete, staged files that are not needed. Other files
  // stay.
  void clean_up() const;

 private:
  void open();
  void check_settings() const;
  void check_simulator(const std::string& recorded) const;
  void find_existing();
  void require_possible(std::uint64_t seed, const std::filesystem::path& file) const;
  void find_staged();
  void advance();

  CollectionOptions options_;
  std::shared_ptr<const EpisodeWriter> writer_;
  std::optional<ProcessLock> lock_;
  std::optional<StagedEpisodes> staged_;
  std::map<std::uint64_t, bool> outcomes_;                // seed -> success
  std::map<std::uint64_t, std::filesystem::path> files_;  // of successes
  std::vector<std::uint64_t> in_progress_;
  std::uint64_t next_;  // first seed without an episode number
  std::int64_t num_written_ = 0, num_kept_ = 0, num_failed_ = 0;
};

}  // namespace roboimi
