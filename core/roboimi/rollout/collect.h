// Recording demonstrations by a scripted expert, so that the result depends on the settings and
// never on how many processes worked or how often the work was interrupted.
//
// Attempt i runs the expert from seed first_seed + i. The first num_episodes successes, in the
// order of their seeds, become episode 0, 1, ...; failures are left out and counted.
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

// An episode that has just begun, and its demonstrator.
struct Demonstration {
  Observation first;  // with images
  std::unique_ptr<Expert> expert;
};

// Resets the environment to `seed` and makes the expert. Error when the environment has no scene,
// before anything moves, or when its scene has no expert.
ROBOIMI_EXPORT Demonstration start_demonstration(Environment& environment, std::uint64_t seed,
                                                 double noise);

// Runs the environment's expert from `seed` to the end of the episode and records what it saw and
// did. The same Errors.
ROBOIMI_EXPORT EpisodeRecord record_episode(Environment& environment, std::uint64_t seed,
                                            double noise);

struct CollectionOptions {
  std::filesystem::path output;  // folder of the episodes
  std::int64_t num_episodes = 50;
  std::uint64_t first_seed = 0;
  std::int64_t max_attempts = 1000;
  // What else the episodes depend on (environment, noise, writer), as text. A folder whose
  // collection.txt says otherwise is refused.
  std::string settings;
  // The plugin that simulates and its build, in one line, or empty. A folder of another one is
  // refused; one of an earlier version, whose collection.txt states none, is continued.
  std::string simulator = {};
};

// The books of a collection: which seed to try next, and which episode it becomes. Finished
// attempts wait in `<output>/.staged` until all earlier seeds are known. While it lives, no other
// process collects into the folder.
//
//   Collection collection(options, writer);           // finds what an earlier one left
//   while (auto seed = collection.next_seed()) {
//     ... record, collection.staged_file(*seed) ...
//     collection.finish(*seed, success);
//   }
class ROBOIMI_EXPORT Collection {
 public:
  // Error: another process collects into the folder (named by its number and machine), the folder
  // holds episodes of other settings, or it cannot be written.
  Collection(CollectionOptions options, std::shared_ptr<const EpisodeWriter> writer);
  ~Collection();

  // The next seed to try, now in progress; empty when none need be started at present.
  std::optional<std::uint64_t> next_seed();
  // Where the record of a successful attempt is to be written.
  std::filesystem::path staged_file(std::uint64_t seed) const;
  // Of a seed in progress. A success must have been written to its staged file.
  void finish(std::uint64_t seed, bool success);

  // True when num_episodes are in place. Error (from finish or the constructor) when max_attempts
  // were not enough.
  bool complete() const { return num_written_ == options_.num_episodes; }
  std::int64_t num_written() const { return num_written_; }  // episodes in place
  std::int64_t num_kept() const { return num_kept_; }        // of these, found at the start
  std::int64_t num_failed() const { return num_failed_; }    // seeds before the last one
  // Removes what is only half done: temporary files, and stages beyond the last episode. Files of
  // others stay.
  void clean_up() const;

 private:
  void open();
  void check_settings() const;
  void check_simulator(const std::string& recorded) const;
  void find_existing();
  void find_staged();
  void advance();

  CollectionOptions options_;
  std::shared_ptr<const EpisodeWriter> writer_;
  std::optional<ProcessLock> lock_;
  std::optional<StagedEpisodes> staged_;
  std::map<std::uint64_t, bool> outcomes_;                // seed -> success
  std::map<std::uint64_t, std::filesystem::path> files_;  // of successes
  std::vector<std::uint64_t> in_progress_;
  std::uint64_t next_;  // first seed not yet given its place
  std::int64_t num_written_ = 0, num_kept_ = 0, num_failed_ = 0;
};

}  // namespace roboimi
