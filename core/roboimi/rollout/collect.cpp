#include "roboimi/rollout/collect.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/log.h"
#include "roboimi/common/text.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

const char* const kSettingsFile = "collection.txt";
const char* const kSimulatorKey = "simulator: ";  // starts a line of that file

// Converts an exception of std::filesystem to an Error that suggests what to do.
template <typename Work>
void with_advice(const fs::path& folder, Work work) {
  try {
    work();
  } catch (const fs::filesystem_error& error) {
    const bool is_full = error.code() == std::errc::no_space_on_device;
    throw Error(
        {.what = "cannot collect into the folder: " + error.code().message(),
         .where = error.path1().empty() ? folder.string() : error.path1().string(),
         .next = is_full
                     ? "free some space and run the same command again; it continues"
                     : "check the permissions and that no other program changes the folder, then "
                       "run the same command again; it continues"});
  }
}

// Removes the simulator line from the content of a collection.txt and returns its value; empty if
// there is none.
std::string take_simulator(std::string& text) {
  const std::size_t begin = text.rfind(std::string("\n") + kSimulatorKey);
  if (begin == std::string::npos) return "";
  const std::string line = text.substr(begin + 1, text.find('\n', begin + 1) - begin - 1);
  text.erase(begin + 1, line.size() + 1);
  return line.substr(std::string(kSimulatorKey).size());
}

// The first lines that differ between two strings.
std::pair<std::string, std::string> first_difference(const std::string& a, const std::string& b) {
  std::istringstream lines_a(a), lines_b(b);
  std::string line_a, line_b;
  do {
    const bool more_a = static_cast<bool>(std::getline(lines_a, line_a));
    const bool more_b = static_cast<bool>(std::getline(lines_b, line_b));
    if (!more_a) line_a.clear();
    if (!more_b) line_b.clear();
    if (!more_a && !more_b) break;
  } while (line_a == line_b);
  const auto shown = [](const std::string& line) {
    return line.empty() ? std::string("nothing") : "'" + printable(line, 100) + "'";
  };
  return {shown(line_a), shown(line_b)};
}

}  // namespace

Demonstration start_demonstration(Environment& environment, std::uint64_t seed, double noise) {
  const auto fail = [](const char* found) {
    throw Error({.what = "this environment has no scripted expert",
                 .where = "env",
                 .expected = "a simulator whose scene has an expert",
                 .found = found,
                 .next = "choose another env.type; to use demonstrations recorded on a robot, "
                         "read them with a dataset plugin"});
  };
  // Checked before reset(), which would move a robot.
  if (environment.scene() == nullptr) fail("an environment without a scene, such as a robot");
  Demonstration demonstration{.first = environment.reset(seed, /*render=*/true), .expert = nullptr};
  demonstration.expert = environment.scene()->make_expert(noise, seed);
  if (demonstration.expert == nullptr) fail("a scene without an expert");
  return demonstration;
}

EpisodeRecord record_episode(Environment& environment, std::uint64_t seed, double noise) {
  auto [observation, expert] = start_demonstration(environment, seed, noise);
  const Scene& scene = *environment.scene();
  std::map<std::string, std::vector<at::Tensor>> streams, labels;
  std::vector<at::Tensor> actions;
  EpisodeRecord record{.streams = environment.spec().streams, .success = false};
  for (std::int64_t row = 0;; ++row) {
    const at::Tensor action = expert->act();
    for (const StreamSpec& stream : record.streams) {
      streams[stream.name].push_back(observation.at(stream.name));
    }
    for (const auto& [name, value] : scene.labels()) labels[name].push_back(value);
    actions.push_back(action.to(at::kFloat));
    // The observation after the last action is not recorded, so it is not rendered.
    StepResult result = environment.step(action, row + 1 < environment.max_steps());
    record.success = *record.success || result.info.success;
    if (result.terminated || result.truncated) break;
    observation = std::move(result.observation);
  }
  for (auto& [name, values] : streams) {
    record.observations[name] = at::stack(values);
    values.clear();
  }
  for (const auto& [name, values] : labels) record.labels[name] = at::stack(values);
  record.actions = at::stack(actions);
  record.control_hz = environment.spec().control_hz;
  record.seed = seed;
  return record;
}

Collection::Collection(CollectionOptions options, std::shared_ptr<const EpisodeWriter> writer)
    : options_(std::move(options)), writer_(std::move(writer)), next_(options_.first_seed) {
  with_advice(options_.output, [this] { open(); });
}

Collection::~Collection() = default;

void Collection::open() {
  fs::create_directories(options_.output);
  lock_.emplace(ProcessLock::take_folder(options_.output, "collection"));
  staged_.emplace(options_.output, writer_);
  check_settings();
  find_existing();
  find_staged();
  advance();
  clean_up();  // leftovers of a killed collection
}

// One folder must not mix episodes collected with different settings.
void Collection::check_settings() const {
  const fs::path file = options_.output / kSettingsFile;
  std::string text =
      "first_seed: " + std::to_string(options_.first_seed) + "\n" + options_.settings;
  if (!text.ends_with('\n')) text += '\n';
  if (fs::exists(file)) {
    std::string recorded = read_text(file);
    check_simulator(take_simulator(recorded));
    if (!recorded.ends_with('\n')) recorded += '\n';
    if (recorded == text) return;
    const auto [before, now] = first_difference(recorded, text);
    throw Error({.what = "the folder has episodes that were collected with other settings",
                 .where = options_.output.string(),
                 .expected = before + ", as in " + file.string(),
                 .found = now,
                 .next = "choose another collect.output, or remove the folder"});
  }
  if (fs::exists(writer_->file_of(options_.output, 0))) {
    throw Error({.what = "the folder has episodes of unknown origin",
                 .where = options_.output.string(),
                 .expected = file.string() + " beside them",
                 .next = "choose another collect.output"});
  }
  if (!options_.simulator.empty()) text += kSimulatorKey + options_.simulator + "\n";
  write_text_atomically(file, text);
}

// Another build of the simulator may produce different episodes from the same seeds.
void Collection::check_simulator(const std::string& recorded) const {
  if (recorded == options_.simulator) return;
  const fs::path file = options_.output / kSettingsFile;
  if (recorded.empty()) {
    logger().info(
        "{} does not name the build of the simulator that recorded the episodes; continuing with "
        "{}",
        file.string(), options_.simulator);
    return;
  }
  throw Error({.what = "the folder has episodes from another build of the simulator",
               .where = options_.output.string(),
               .expected = recorded + ", as in " + file.string(),
               .found = options_.simulator.empty() ? "an unnamed one" : options_.simulator,
               .next = "use that build, choose another collect.output, or remove the line "
                       "'simulator:' from collection.txt to mix both"});
}

// Finds the episodes in place. They are numbered in the order of their seeds, so every seed between
// two consecutive episodes, and before the first one, has failed.
void Collection::find_existing() {
  std::optional<std::uint64_t> before = options_.first_seed;  // first seed without an outcome
  for (std::int64_t index = 0; index < options_.num_episodes; ++index) {
    const fs::path file = writer_->file_of(options_.output, index);
    if (!fs::exists(file)) {
      before.reset();
      continue;
    }
    std::uint64_t seed = 0;
    try {
      seed = recorded_seed(*writer_, file);
      require_possible(seed, file);
    } catch (const Error& error) {
      logger().warn("{} will be recorded again: {}", file.string(), error.what());
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

// A damaged seed must not count as any number of failed attempts.
void Collection::require_possible(std::uint64_t seed, const fs::path& file) const {
  const std::uint64_t first =
      outcomes_.empty() ? options_.first_seed : outcomes_.rbegin()->first + 1;
  const std::uint64_t last =
      options_.first_seed + static_cast<std::uint64_t>(options_.max_attempts) - 1;
  if (seed >= first && seed <= last) return;
  throw Error({.what = "the recorded seed cannot be that of this episode",
               .where = file.string(),
               .expected = std::to_string(first) + " to " + std::to_string(last) +
                           ", the seeds after the previous episode within collect.max_attempts",
               .found = std::to_string(seed)});
}

// Finds finished attempts whose episode number was not known yet.
void Collection::find_staged() {
  for (const auto& [seed, file] : staged_->find()) {
    if (outcomes_.count(seed) != 0) continue;
    outcomes_[seed] = true;
    files_[seed] = file;
  }
}

fs::path Collection::staged_file(std::uint64_t seed) const { return staged_->file_of(seed); }

std::optional<std::uint64_t> Collection::next_seed() {
  // The episodes are the first successes by seed. Known successes and attempts in progress may
  // already be enough if all succeed. Those of later seeds do not count: they get no episode number
  // before this seed has an outcome.
  std::int64_t promised = num_written_;
  for (std::uint64_t seed = next_; promised < options_.num_episodes; ++seed) {
    const bool is_in_progress = std::count(in_progress_.begin(), in_progress_.end(), seed) != 0;
    const auto outcome = outcomes_.find(seed);
    if (outcome != outcomes_.end() || is_in_progress) {
      promised += is_in_progress || outcome->second ? 1 : 0;
      continue;
    }
    if (seed - options_.first_seed >= static_cast<std::uint64_t>(options_.max_attempts)) break;
    in_progress_.push_back(seed);
    return seed;
  }
  return std::nullopt;
}

void Collection::finish(std::uint64_t seed, bool success) {
  const auto removed = std::erase(in_progress_, seed);
  ROBOIMI_CHECK(removed == 1, "seed " + std::to_string(seed) + " is not in progress");
  outcomes_[seed] = success;
  if (success) files_[seed] = staged_file(seed);
  with_advice(options_.output, [this] { advance(); });
}

// Gives attempts their episode numbers, up to the first seed without an outcome.
void Collection::advance() {
  while (num_written_ < options_.num_episodes) {
    if (next_ - options_.first_seed >= static_cast<std::uint64_t>(options_.max_attempts)) {
      throw Error({.what = "too few attempts succeeded",
                   .where = options_.output.string(),
                   .expected = std::to_string(options_.num_episodes) + " successes in " +
                               std::to_string(options_.max_attempts) + " attempts",
                   .found = std::to_string(num_written_),
                   .next = "increase collect.max_attempts or decrease collect.noise"});
    }
    const auto outcome = outcomes_.find(next_);
    if (outcome == outcomes_.end()) return;
    if (outcome->second) {
      const fs::path place = writer_->file_of(options_.output, num_written_);
      if (files_[next_] != place) writer_->place(files_[next_], options_.output, num_written_);
      files_[next_] = place;
      ++num_written_;
    } else {
      ++num_failed_;
    }
    ++next_;
  }
}

void Collection::clean_up() const { staged_->clean_up(/*all=*/complete()); }

}  // namespace roboimi
