#include "roboimi/rollout/rollout_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/json_text.h"
#include "roboimi/common/origin.h"
#include "roboimi/common/text.h"

namespace roboimi {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::pair<const char*, double RolloutTimings::*> kTimings[] = {
    {"obs_read_ms", &RolloutTimings::obs_read_ms},
    {"preprocess_ms", &RolloutTimings::preprocess_ms},
    {"inference_ms", &RolloutTimings::inference_ms},
    {"env_step_ms", &RolloutTimings::env_step_ms},
    {"loop_total_ms", &RolloutTimings::loop_total_ms}};

Json json_of(const RolloutTimings& timings) {
  Json json;
  for (const auto& [name, member] : kTimings) json[name] = timings.*member;
  return json;
}

// Without the timings, so that the result is reproducible.
Json json_of(const EpisodeOutcome& episode) {
  return {{"seed", episode.seed},
          {"success", episode.success},
          {"stable_success", episode.stable_success},
          {"highest_reward", episode.highest_reward},
          {"total_reward", episode.total_reward},
          {"stage", episode.stage},
          {"stage_name", episode.stage_name},
          {"length", episode.length}};
}

// JSON has no NaN or infinity: json_text() writes null.
double number(const Json& node) {
  return node.is_null() ? std::numeric_limits<double>::quiet_NaN() : node.get<double>();
}

template <typename Value>
double mean_of(const std::vector<EpisodeOutcome>& episodes, Value value) {
  if (episodes.empty()) return 0.0;
  double sum = 0.0;
  for (const EpisodeOutcome& episode : episodes) sum += static_cast<double>(value(episode));
  return sum / static_cast<double>(episodes.size());
}

}  // namespace

std::string EpisodeOutcome::to_json() const {
  Json json = json_of(*this);
  json["timings"] = json_of(timings);
  json["plans"] = {{"count", plans.count},
                   {"late", plans.late},
                   {"total_ms", plans.total_ms},
                   {"max_ms", plans.max_ms}};
  return json_text(json, -1);
}

EpisodeOutcome EpisodeOutcome::from_json(const std::string& line) {
  try {
    const Json json = Json::parse(line);
    EpisodeOutcome episode{.seed = json.at("seed"),
                           .success = json.at("success"),
                           .stable_success = json.at("stable_success"),
                           .highest_reward = number(json.at("highest_reward")),
                           .total_reward = number(json.at("total_reward")),
                           .stage = json.at("stage"),
                           .stage_name = json.at("stage_name"),
                           .length = json.at("length")};
    for (const auto& [name, member] : kTimings) {
      episode.timings.*member = number(json.at("timings").at(name));
    }
    const Json& plans = json.at("plans");
    episode.plans = {.count = plans.at("count"),
                     .late = plans.at("late"),
                     .total_ms = number(plans.at("total_ms")),
                     .max_ms = number(plans.at("max_ms"))};
    return episode;
  } catch (const Json::exception& error) {
    throw Error({.what = std::string("cannot read the outcome of an episode: ") + error.what(),
                 .where = "a worker's reply",
                 .expected = "a line of EpisodeOutcome::to_json()",
                 .found = "'" + printable(line, 100) + "'"});
  }
}

std::int64_t RolloutSummary::num_successes() const {
  return std::count_if(episodes.begin(), episodes.end(),
                       [](const EpisodeOutcome& e) { return e.success; });
}

std::int64_t RolloutSummary::num_stable_successes() const {
  return std::count_if(episodes.begin(), episodes.end(),
                       [](const EpisodeOutcome& e) { return e.stable_success; });
}

double RolloutSummary::success_rate() const {
  return mean_of(episodes, [](const EpisodeOutcome& e) { return e.success; });
}

double RolloutSummary::mean_highest_reward() const {
  return mean_of(episodes, [](const EpisodeOutcome& e) { return e.highest_reward; });
}

RolloutTimings RolloutSummary::timings() const {
  RolloutTimings mean;
  double steps = 0.0;
  for (const EpisodeOutcome& episode : episodes) {
    steps += static_cast<double>(episode.length);
    for (const auto& [name, member] : kTimings) mean.*member += episode.timings.*member;
  }
  if (steps == 0.0) return {};
  for (const auto& [name, member] : kTimings) mean.*member /= steps;
  return mean;
}

PlanTimings RolloutSummary::plans() const {
  PlanTimings all;
  for (const EpisodeOutcome& episode : episodes) {
    all.count += episode.plans.count;
    all.late += episode.plans.late;
    all.total_ms += episode.plans.total_ms;
    all.max_ms = std::max(all.max_ms, episode.plans.max_ms);
  }
  return all;
}

std::string RolloutSummary::to_json() const {
  const auto [low, high] =
      wilson_interval(num_successes(), static_cast<std::int64_t>(episodes.size()));
  const PlanTimings all = plans();
  Json json;
  if (!subject.empty()) json["subject"] = subject;
  json["num_episodes"] = episodes.size();
  json["success_rate"] = success_rate();
  json["success_interval_95"] = {low, high};
  json["stable_success_rate"] =
      mean_of(episodes, [](const EpisodeOutcome& e) { return e.stable_success; });
  json["mean_highest_reward"] = mean_highest_reward();
  json["mean_total_reward"] =
      mean_of(episodes, [](const EpisodeOutcome& e) { return e.total_reward; });
  json["timings"] = json_of(timings());
  json["plans"] = {{"count", all.count},
                   {"late", all.late},
                   {"mean_ms", all.count > 0 ? all.total_ms / static_cast<double>(all.count) : 0.0},
                   {"max_ms", all.max_ms}};
  for (const EpisodeOutcome& episode : episodes) json["episodes"].push_back(json_of(episode));
  return json_text(json) + "\n";
}

void write_rollout_tables(const RolloutSummary& summary, const std::filesystem::path& folder) {
  Json json = Json::parse(summary.to_json());
  json["written"] = time_now();
  write_text_atomically(folder / "summary.json", json_text(json) + "\n");
  std::string table =
      "seed,success,stable_success,highest_reward,total_reward,stage,stage_name,length\n";
  for (const EpisodeOutcome& episode : summary.episodes) {
    table += fmt::format("{},{},{},{},{},{},{},{}\n", episode.seed, int{episode.success},
                         int{episode.stable_success}, episode.highest_reward, episode.total_reward,
                         episode.stage, episode.stage_name, episode.length);
  }
  write_text_atomically(folder / "episodes.csv", table);
}

std::pair<double, double> wilson_interval(std::int64_t successes, std::int64_t trials) {
  if (trials == 0) return {0.0, 1.0};
  constexpr double kZ = 1.959963984540054;  // 97.5th percentile of the normal distribution
  const auto n = static_cast<double>(trials);
  const double p = static_cast<double>(successes) / n;
  const double denominator = 1 + kZ * kZ / n;
  const double center = (p + kZ * kZ / (2 * n)) / denominator;
  const double half = kZ * std::sqrt(p * (1 - p) / n + kZ * kZ / (4 * n * n)) / denominator;
  return {std::max(0.0, center - half), std::min(1.0, center + half)};
}

}  // namespace roboimi
