#include "roboimi/data/collect.h"

#include <algorithm>
#include <fstream>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/hash.h"
#include "roboimi/common/log.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

const char* const kStagedFolder = ".staged";
const char* const kSettingsFile = "collection.txt";

}  // namespace

EpisodeRecord record_episode(Environment& environment, std::uint64_t seed, double noise) {
  Observation observation = environment.reset(seed, /*render=*/true);
  const std::unique_ptr<Expert> expert = environment.make_expert(noise, seed);
  if (!expert) {
    throw Error({.what = "this environment has no scripted expert",
                 .next = "collect with an environment that demonstrates its task"});
  }
  std::map<std::string, std::vector<at::Tensor>> images;
  std::map<std::string, std::vector<at::Tensor>> labels;
  std::vector<at::Tensor> states, velocities, env_states, actions;
  EpisodeRecord record;
  for (std::int64_t row = 0;; ++row) {
    const at::Tensor action = expert->act();
    for (const auto& [camera, frame] : observation.images) images[camera].push_back(frame);
    states.push_back(observation.state);
    if (observation.velocity.defined()) velocities.push_back(observation.velocity);
    if (observation.env_state.defined()) env_states.push_back(observation.env_state);
    for (const auto& [name, value] : environment.labels()) labels[name].push_back(value);
    actions.push_back(action.to(at::kFloat));
    // What follows the last action is not recorded, so it need not be drawn.
    StepResult result = environment.step(action, row + 1 < environment.max_steps());
    record.success = record.success || result.info.success;
    if (result.terminated || result.truncated) break;
    observation = std::move(result.observation);
  }
  for (auto& [camera, frames] : images) {
    record.images[camera] = at::stack(frames);
    frames.clear();
  }
  record.state = at::stack(states);
  if (velocities.size() == states.size()) record.velocity = at::stack(velocities);
  if (env_states.size() == states.size()) record.env_state = at::stack(env_states);
  for (const auto& [name, values] : labels) record.labels[name] = at::stack(values);
  record.actions = at::stack(actions);
  record.control_hz = environment.spec().control_hz;
  record.seed = seed;
  return record;
}

Collection::Collection(CollectionOptions options, std::shared_ptr<const EpisodeWriter> writer)
    : options_(std::move(options)), writer_(std::move(writer)), next_(options_.first_seed) {
  check_settings();
  find_existing();
  find_staged();
  advance();
}

Collection::~Collection() = default;

// Episodes of other settings must not be mixed into one folder.
void Collection::check_settings() const {
  const fs::path file = options_.output / kSettingsFile;
  const std::string text =
      "first_seed: " + std::to_string(options_.first_seed) + "\n" + options_.settings;
  if (fs::exists(file)) {
    if (read_text(file) == text) return;
    throw Error({.what = "the folder holds episodes that were collected with other settings",
                 .where = options_.output.string(),
                 .expected = "the settings in " + file.string(),
                 .found = "other settings",
                 .next = "choose another collect.output, or remove the folder"});
  }
  if (fs::exists(writer_->file_of(options_.output, 0))) {
    throw Error({.what = "the folder holds episodes of unknown origin",
                 .where = options_.output.string(),
                 .expected = file.string() + " beside them",
                 .next = "choose another collect.output"});
  }
  write_text_atomically(file, text);
}

// Episodes are numbered in the order of their seeds: between two that follow each other, and before
// the first, every seed has failed.
void Collection::find_existing() {
  std::optional<std::uint64_t> before = options_.first_seed;  // first seed not accounted for
  for (std::int64_t index = 0; index < options_.num_episodes; ++index) {
    const fs::path file = writer_->file_of(options_.output, index);
    if (!fs::exists(file)) {
      before.reset();
      continue;
    }
    std::uint64_t seed = 0;
    try {
      seed = writer_->read_header(file).seed;
    } catch (const Error& error) {
      logger().warn("recording {} again: {}", file.string(), error.what());
      fs::remove(file);
      before.reset();
      continue;
    }
    for (std::uint64_t failed = before.value_or(seed); failed < seed; ++failed) {
      outcomes_[failed] = false;
    }
    outcomes_[seed] = true;
    files_[seed] = file;
    ++num_kept_;
    before = seed + 1;
  }
}

// Attempts that were finished, but whose place was not known yet.
void Collection::find_staged() {
  const fs::path folder = options_.output / kStagedFolder;
  if (!fs::exists(folder)) return;
  for (const auto& entry : fs::directory_iterator(folder)) {
    try {
      const std::uint64_t seed = writer_->read_header(entry.path()).seed;
      if (entry.path() != staged_file(seed) || outcomes_.count(seed) != 0) continue;
      outcomes_[seed] = true;
      files_[seed] = entry.path();
    } catch (const Error&) {
      fs::remove(entry.path());
    }
  }
}

fs::path Collection::staged_file(std::uint64_t seed) const {
  const fs::path folder = options_.output / kStagedFolder;
  return folder / writer_->file_of(folder, static_cast<std::int64_t>(seed)).filename();
}

std::optional<std::uint64_t> Collection::next_seed() {
  // What is known or under way, were it all to succeed, may be enough already.
  std::int64_t promised = num_written_ + static_cast<std::int64_t>(in_progress_.size());
  for (auto outcome = outcomes_.lower_bound(next_); outcome != outcomes_.end(); ++outcome) {
    if (outcome->second) ++promised;
  }
  std::uint64_t seed = next_;
  while (promised < options_.num_episodes) {
    const bool under_way = std::count(in_progress_.begin(), in_progress_.end(), seed) != 0;
    if (outcomes_.count(seed) == 0 && !under_way) {
      if (seed - options_.first_seed >= static_cast<std::uint64_t>(options_.max_attempts)) break;
      in_progress_.push_back(seed);
      return seed;
    }
    ++seed;
  }
  return std::nullopt;
}

void Collection::finish(std::uint64_t seed, bool success) {
  const auto removed = std::erase(in_progress_, seed);
  ROBOIMI_CHECK(removed == 1, "seed " + std::to_string(seed) + " was not under way");
  outcomes_[seed] = success;
  if (success) files_[seed] = staged_file(seed);
  advance();
}

// Gives every attempt its place, as far as all earlier ones are known.
void Collection::advance() {
  while (num_written_ < options_.num_episodes) {
    if (next_ - options_.first_seed >= static_cast<std::uint64_t>(options_.max_attempts)) {
      throw Error({.what = "too few attempts succeeded",
                   .where = options_.output.string(),
                   .expected = std::to_string(options_.num_episodes) + " successes in " +
                               std::to_string(options_.max_attempts) + " attempts",
                   .found = std::to_string(num_written_),
                   .next = "raise collect.max_attempts, or lower collect.noise"});
    }
    const auto outcome = outcomes_.find(next_);
    if (outcome == outcomes_.end()) return;
    if (outcome->second) {
      const fs::path place = writer_->file_of(options_.output, num_written_);
      if (files_[next_] != place) fs::rename(files_[next_], place);
      files_[next_] = place;
      ++num_written_;
    } else {
      ++num_failed_;
    }
    ++next_;
  }
}

void Collection::clean_up() const {
  std::error_code ignored;
  const fs::path folder = options_.output / kStagedFolder;
  if (complete()) {
    fs::remove_all(folder, ignored);
    return;
  }
  if (!fs::exists(folder)) return;
  for (const auto& entry : fs::directory_iterator(folder)) {
    // The names that write_file_atomically gives what is not whole yet.
    if (entry.path().filename().string().front() == '.') fs::remove(entry.path(), ignored);
  }
}

}  // namespace roboimi
