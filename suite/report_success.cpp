#include "suite/report_success.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "roboimi/rollout/rollout_summary.h"
#include "suite/report_table.h"
#include "suite/statistics.h"

namespace roboimi::report {
namespace {

using Runs = std::vector<RunData>;

struct Counts {
  std::int64_t successes = 0, episodes = 0;
  double reward = 0.0;
  std::int64_t runs = 0;
  std::map<std::string, std::string> evaluations;  // what was evaluated -> last time

  double rate() const { return static_cast<double>(successes) / static_cast<double>(episodes); }
};

Counts count(const Runs& runs, const std::string& group) {
  Counts counts;
  for (const RunData& run : runs) {
    if (run.group != group || run.episodes.empty()) continue;
    counts.runs += 1;
    counts.reward += run.mean_highest_reward;
    std::string& last = counts.evaluations[run.evaluation + ": " + run.evaluation_note];
    last = std::max(last, run.evaluated);
    for (const EpisodeResult& episode : run.episodes) {
      counts.episodes += 1;
      counts.successes += episode.success ? 1 : 0;
    }
  }
  return counts;
}

// A dot at the rate with whiskers to the ends of the interval, on an axis from 0 to 100 %.
std::string dot_with_whiskers(double rate, double low, double high, std::size_t color) {
  const auto x = [](double share) { return 10 + 100 * share; };
  std::string svg = fmt::format(
      "<svg class='interval' viewBox='0 0 120 20' role='img' aria-label='{:.1f} %, 95 % interval "
      "{:.1f} to {:.1f} %'>",
      100 * rate, 100 * low, 100 * high);
  for (const double tick : {0.0, 0.25, 0.5, 0.75, 1.0}) {
    svg += fmt::format("<line class='grid' x1='{0:.1f}' x2='{0:.1f}' y1='3' y2='17'/>", x(tick));
  }
  svg +=
      fmt::format("<g style='stroke:var(--c{0});fill:var(--c{0})' stroke-width='1.5'>", color % 8);
  svg += fmt::format("<line class='whisker' x1='{:.1f}' x2='{:.1f}' y1='10' y2='10'/>", x(low),
                     x(high));
  for (const double end : {low, high}) {
    svg += fmt::format("<line class='cap' x1='{0:.1f}' x2='{0:.1f}' y1='7' y2='13'/>", x(end));
  }
  return svg + fmt::format("<circle class='rate' cx='{:.1f}' cy='10' r='3'/></g></svg>", x(rate));
}

std::string text_of(const std::map<std::string, std::string>& evaluations) {
  std::string text;
  for (const auto& [evaluation, time] : evaluations) {
    text += (text.empty() ? "" : "; ") + evaluation + (time.empty() ? "" : ", " + time);
  }
  return text;
}

// (seed of the training, seed of the episode) -> success
using Outcomes = std::map<std::pair<std::int64_t, std::int64_t>, bool>;

std::map<std::string, Outcomes> outcomes_by_group(const Runs& runs) {
  std::map<std::string, Outcomes> all;
  for (const RunData& run : runs) {
    Outcomes& own = all[run.group];
    for (const EpisodeResult& episode : run.episodes) {
      own[{run.seed, episode.seed}] = episode.success;
    }
  }
  return all;
}

// The outcomes of two groups on the episodes that both ran.
struct Comparison {
  std::int64_t shared = 0, first_only = 0, second_only = 0;
  double p = 1.0;
};

Comparison compare(const Outcomes& first, const Outcomes& second) {
  Comparison comparison;
  for (const auto& [seeds, success] : first) {
    const auto other = second.find(seeds);
    if (other == second.end()) continue;
    ++comparison.shared;
    comparison.first_only += success && !other->second ? 1 : 0;
    comparison.second_only += !success && other->second ? 1 : 0;
  }
  comparison.p = mcnemar_p(comparison.first_only, comparison.second_only);
  return comparison;
}

struct Ranked {
  std::string group;
  Counts counts;

  std::string text() const {
    return fmt::format("{} ({}/{})", group, counts.successes, counts.episodes);
  }
  // The interval is so wide that a difference of ten percentage points could stay unnoticed.
  bool is_uncertain() const {
    const auto [low, high] = wilson_interval(counts.successes, counts.episodes);
    return high - low > 0.2;
  }
};

// The groups with episodes, by success rate.
std::vector<Ranked> ranked_groups(const Runs& runs, const std::vector<std::string>& groups) {
  std::vector<Ranked> ranked;
  for (const std::string& group : groups) {
    if (Counts counts = count(runs, group); counts.episodes > 0) {
      ranked.push_back({group, std::move(counts)});
    }
  }
  std::stable_sort(ranked.begin(), ranked.end(), [](const Ranked& a, const Ranked& b) {
    return a.counts.rate() > b.counts.rate();
  });
  return ranked;
}

}  // namespace

std::string success_table(const Runs& runs, const std::vector<std::string>& groups) {
  std::vector<Row> rows;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const Counts counts = count(runs, groups[i]);
    if (counts.episodes == 0) continue;
    const auto [low, high] = wilson_interval(counts.successes, counts.episodes);
    const double rate = counts.rate();
    rows.push_back(
        {{groups[i]},
         {"", "", dot_with_whiskers(rate, low, high, i)},
         {fmt::format("{}/{} = {:.1f} %", counts.successes, counts.episodes, 100 * rate)},
         {fmt::format("{:.1f} to {:.1f} %", 100 * low, 100 * high)},
         {fmt::format("{:.2f}", counts.reward / static_cast<double>(counts.runs))},
         {std::to_string(counts.runs)},
         {text_of(counts.evaluations)}});
  }
  if (rows.empty()) return "";
  return "<p>Each training run counts with its newest plain evaluation: no control, no overrides, "
         "averaged weights. Without one, its last rollouts count. Dots are success rates, whiskers "
         "95 % Wilson intervals over episodes; they do not include differences between "
         "training runs.</p>\n" +
         table({"run", "0 to 100 %", "success", "95 % interval", "highest reward", "training runs",
                "evaluation"},
               rows);
}

std::string comparison_table(const Runs& runs, const std::vector<std::string>& groups) {
  std::vector<Row> rows;
  std::map<std::string, Outcomes> outcomes = outcomes_by_group(runs);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    for (std::size_t j = i + 1; j < groups.size(); ++j) {
      const Comparison c = compare(outcomes[groups[i]], outcomes[groups[j]]);
      if (c.shared == 0) continue;
      rows.push_back({{groups[i]},
                      {groups[j]},
                      {std::to_string(c.shared)},
                      {std::to_string(c.first_only)},
                      {std::to_string(c.second_only)},
                      {fmt::format("{:.2g}", c.p)}});
    }
  }
  if (rows.empty()) return "";
  return "<p>Pairwise comparison on the episodes that both ran (McNemar's exact test, "
         "two-sided):</p>\n" +
         table({"A", "B", "episodes", "only A solved", "only B solved", "p"}, rows);
}

std::string conclusion(const Runs& runs, const std::vector<std::string>& groups) {
  constexpr double kSignificant = 0.05;
  const std::vector<Ranked> ranked = ranked_groups(runs, groups);
  if (ranked.empty()) return "No rollouts to compare yet.";
  const Ranked& best = ranked.front();
  if (ranked.size() == 1) {
    const auto [low, high] = wilson_interval(best.counts.successes, best.counts.episodes);
    return fmt::format("{} solved {} of {} episodes (95 % interval {:.1f} to {:.1f} %).",
                       best.group, best.counts.successes, best.counts.episodes, 100 * low,
                       100 * high);
  }
  const Ranked& second = ranked[1];
  const std::map<std::string, Outcomes> outcomes = outcomes_by_group(runs);
  const Comparison c = compare(outcomes.at(best.group), outcomes.at(second.group));
  if (c.shared == 0) {
    return fmt::format("{} and {} were evaluated on different episodes and cannot be compared.",
                       best.text(), second.text());
  }
  // With more than two groups, a difference by chance is more likely (Bonferroni).
  const double threshold = kSignificant / static_cast<double>(ranked.size() - 1);
  std::string p = fmt::format("McNemar p = {:.2g}", c.p);
  if (ranked.size() > 2) p += fmt::format(", significant below {:.2g}", threshold);
  if (c.p < threshold) {
    return fmt::format("{} solved significantly more episodes than {}{} ({}).", best.text(),
                       ranked.size() > 2 ? "the second best, " : "", second.text(), p);
  }
  if (best.is_uncertain() || second.is_uncertain()) {
    return fmt::format("Too few episodes to tell whether {} is better than {} ({}).", best.text(),
                       second.text(), p);
  }
  return fmt::format("No significant difference between {} and {} ({}).", best.text(),
                     second.text(), p);
}

}  // namespace roboimi::report
