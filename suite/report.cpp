#include "suite/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "roboimi/common/origin.h"
#include "roboimi/rollout/rollout_summary.h"
#include "suite/records.h"
#include "suite/report_chart.h"
#include "suite/report_data.h"
#include "suite/report_media.h"
#include "suite/report_style.h"

namespace roboimi {
namespace {

using Json = nlohmann::ordered_json;
using Runs = std::vector<RunData>;

struct Cell {
  std::string text;
  std::string classes = {};
  std::string html = {};  // shown instead of the text
};
using Row = std::vector<Cell>;

std::string cell_html(const Cell& cell, const char* tag) {
  // Long text may wrap anywhere, so that a long name does not hide the other columns.
  constexpr std::size_t kLong = 24;
  std::string classes = cell.classes;
  if (cell.text.size() > kLong) classes += classes.empty() ? "long" : " long";
  const std::string attribute = classes.empty() ? "" : " class='" + classes + "'";
  return fmt::format("<{0}{2}>{1}</{0}>", tag, cell.html.empty() ? html_text(cell.text) : cell.html,
                     attribute);
}

// Leaves out columns in which every cell is empty.
std::string table(const std::vector<std::string>& head, const std::vector<Row>& rows) {
  if (rows.empty()) return "";
  std::vector<bool> is_shown(head.size(), false);
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      is_shown[i] = is_shown[i] || !row[i].text.empty() || !row[i].html.empty();
    }
  }
  const auto line = [&](const Row& row, const char* tag) {
    std::string html = "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (is_shown[i]) html += cell_html(row[i], tag);
    }
    return html + "</tr>\n";
  };
  Row titles;
  for (const std::string& title : head) titles.push_back({title});
  std::string html = "<div class='table'><table><thead>" + line(titles, "th") + "</thead><tbody>";
  for (const Row& row : rows) html += line(row, "td");
  return html + "</tbody></table></div>\n";
}

std::string section(const std::string& title, const std::string& body) {
  return body.empty() ? "" : "<section><h2>" + html_text(title) + "</h2>\n" + body + "</section>\n";
}

std::string percent(double share) { return fmt::format("{:.1f} %", 100 * share); }

// ---- Runs ---------------------------------------------------------------------------------------

std::string run_table(const Runs& runs) {
  std::vector<Row> rows;
  for (const RunData& run : runs) {
    const RunStatus& status = run.status;
    rows.push_back(
        {{run.name},
         {"", "", fmt::format("<span class='state {0}'>{0}</span>", to_string(status.state))},
         {status.step ? fmt::format("{} / {}", *status.step, status.max_steps) : ""},
         {status.loss ? fmt::format("{:.4g}", *status.loss) : ""},
         {status.target + (status.slot.empty() ? "" : ", " + status.slot)},
         {status.heard},
         {status.text}});
  }
  return table({"run", "state", "step", "loss", "where", "last update", "note"}, rows);
}

// ---- Curves -------------------------------------------------------------------------------------

// The mean over a group's runs at each step where at least one of them has the value.
ChartLine averaged(const Runs& runs, const std::string& group, std::size_t color,
                   const std::string& key) {
  std::map<double, std::vector<double>> values;
  for (const RunData& run : runs) {
    const auto curve = run.curves.find(key);
    if (run.group != group || curve == run.curves.end()) continue;
    for (const auto& [step, value] : curve->second) values[step].push_back(value);
  }
  ChartLine line{.name = group, .color = color, .points = {}};
  for (const auto& [step, at_step] : values) line.points.push_back({step, mean_interval(at_step)});
  return line;
}

std::string curves(const Runs& runs, const std::vector<std::string>& groups) {
  struct Curve {
    const char* key;
    const char* title;
    bool logarithmic, is_rate;
  };
  constexpr Curve kCurves[] = {
      {"train/loss", "Training loss", true, false},
      {"rollout/success_rate", "Success rate of rollouts", false, true},
      {"validation/loss", "Loss on held-out episodes", true, false},
      {"rollout/mean_highest_reward", "Highest reward", false, false},
      {"train/steps_per_second", "Training steps per second", false, false}};
  std::string charts;
  for (const Curve& curve : kCurves) {
    Chart chart{.title = curve.title,
                .logarithmic = curve.logarithmic,
                .is_rate = curve.is_rate,
                .lines = {}};
    for (std::size_t i = 0; i < groups.size(); ++i) {
      chart.lines.push_back(averaged(runs, groups[i], i, curve.key));
    }
    charts += chart_svg(std::move(chart));
  }
  if (charts.empty()) return "";
  std::string legend = "<p class='legend'>";
  for (std::size_t i = 0; i < groups.size(); ++i) {
    legend += fmt::format("<span><i style='background:var(--c{})'></i>{}</span> ", i % 8,
                          html_text(groups[i]));
  }
  return legend +
         "</p><p>Lines are means over seeds. With two or more seeds, bands are 95 % intervals "
         "(Student's t).</p>\n<div class='charts'>" +
         charts + "</div>\n";
}

// ---- Success ------------------------------------------------------------------------------------

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

std::string success_table(const Runs& runs, const std::vector<std::string>& groups) {
  std::vector<Row> rows;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const Counts counts = count(runs, groups[i]);
    if (counts.episodes == 0) continue;
    const auto [low, high] = wilson_interval(counts.successes, counts.episodes);
    const double rate = counts.rate();
    rows.push_back({{groups[i]},
                    {"", "", dot_with_whiskers(rate, low, high, i)},
                    {fmt::format("{}/{} = {}", counts.successes, counts.episodes, percent(rate))},
                    {fmt::format("{:.1f} to {:.1f} %", 100 * low, 100 * high)},
                    {fmt::format("{:.2f}", counts.reward / static_cast<double>(counts.runs))},
                    {std::to_string(counts.runs)},
                    {text_of(counts.evaluations)}});
  }
  if (rows.empty()) return "";
  return "<p>Each training counts with its newest plain evaluation: no control, no overrides, "
         "averaged weights. Without one, its last rollouts count. Dots are success rates, whiskers "
         "95 % Wilson intervals over episodes; they do not include differences between "
         "trainings.</p>\n" +
         table({"run", "0 to 100 %", "success", "95 % interval", "highest reward", "trainings",
                "evaluation"},
               rows);
}

// (seed of the training, seed of the episode) -> success
std::map<std::pair<std::int64_t, std::int64_t>, bool> outcomes(const Runs& runs,
                                                               const std::string& group) {
  std::map<std::pair<std::int64_t, std::int64_t>, bool> all;
  for (const RunData& run : runs) {
    if (run.group != group) continue;
    for (const EpisodeResult& episode : run.episodes)
      all[{run.seed, episode.seed}] = episode.success;
  }
  return all;
}

// The outcomes of two groups on the episodes that both ran.
struct Comparison {
  std::int64_t shared = 0, first_only = 0, second_only = 0;
  double p = 1.0;
};

Comparison compare(const Runs& runs, const std::string& first, const std::string& second) {
  const auto a = outcomes(runs, first), b = outcomes(runs, second);
  Comparison comparison;
  for (const auto& [seeds, success] : a) {
    const auto other = b.find(seeds);
    if (other == b.end()) continue;
    ++comparison.shared;
    comparison.first_only += success && !other->second ? 1 : 0;
    comparison.second_only += !success && other->second ? 1 : 0;
  }
  comparison.p = mcnemar_p(comparison.first_only, comparison.second_only);
  return comparison;
}

std::string comparison_table(const Runs& runs, const std::vector<std::string>& groups) {
  std::vector<Row> rows;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    for (std::size_t j = i + 1; j < groups.size(); ++j) {
      const Comparison c = compare(runs, groups[i], groups[j]);
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

// ---- Conclusion ---------------------------------------------------------------------------------

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

// The result in one sentence.
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
  const Comparison c = compare(runs, best.group, second.group);
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

// ---- Times, media, configurations ---------------------------------------------------------------

double last_value(const RunData& run, const std::string& key) {
  const auto curve = run.curves.find(key);
  return curve == run.curves.end() ? 0.0 : curve->second.back().second;
}

std::string timing_table(const Runs& runs) {
  constexpr std::pair<const char*, const char*> kColumns[] = {
      {"obs_read_ms", "read observation"}, {"preprocess_ms", "preprocess"},
      {"inference_ms", "inference"},       {"env_step_ms", "simulator"},
      {"loop_total_ms", "control step"},   {"chunk_ms", "action chunk"}};
  std::vector<std::string> head = {"run", "training steps per second",
                                   "waiting for data, ms per step"};
  for (const auto& [key, title] : kColumns) head.push_back(title + std::string(", ms"));
  std::vector<Row> rows;
  for (const RunData& run : runs) {
    if (!run.curves.contains("train/steps_per_second")) continue;
    Row row = {{run.name}, {fmt::format("{:.1f}", last_value(run, "train/steps_per_second"))}};
    const bool has_wait = run.curves.contains("train/data_ms");
    row.push_back({has_wait ? fmt::format("{:.2f}", last_value(run, "train/data_ms")) : ""});
    for (const auto& [key, title] : kColumns) {
      const auto value = run.timings.find(key);
      row.push_back({value == run.timings.end() ? "" : fmt::format("{:.2f}", value->second)});
    }
    rows.push_back(std::move(row));
  }
  return table(head, rows);
}

// "n_emb_384_seed0, seed 500: failed, reached: nothing".
std::string media_caption(const RunData& run, const EpisodeMedia& media) {
  if (media.episode >= run.episodes.size()) return run.name;
  const EpisodeResult& episode = run.episodes[media.episode];
  std::string text = fmt::format("{}, seed {}: {}", run.name, episode.seed,
                                 episode.success ? "success" : "failed");
  if (!episode.stage_name.empty()) text += ", reached: " + episode.stage_name;
  return text;
}

std::string media(const Runs& runs) {
  EmbeddedMedia embedded;
  constexpr std::size_t kMostOfARun = 3;
  std::string html;
  for (const RunData& run : runs) {
    for (std::size_t i = 0; i < std::min(kMostOfARun, run.media.size()); ++i) {
      html += embedded.figure(run.media[i], media_caption(run, run.media[i]));
    }
  }
  return html.empty() ? "" : "<div class='media'>" + html + "</div>\n";
}

std::string difference_table(const Runs& runs) {
  std::vector<Json> configs;
  std::vector<std::string> head = {"key"};
  for (const RunData& run : runs) {
    configs.push_back(run.config);
    head.push_back(run.name);
  }
  std::vector<Row> rows;
  for (const ConfigDifference& difference : config_differences(configs)) {
    Row row = {{"", "", "<code>" + html_text(difference.key) + "</code>"}};
    for (const std::string& value : difference.values) {
      row.push_back({value, value != difference.values.front() ? "differs" : ""});
    }
    rows.push_back(std::move(row));
  }
  if (rows.empty()) return "";
  return "<p>Highlighted values differ from the first run.</p>\n" + table(head, rows);
}

std::string origin(const Json& manifest) {
  std::vector<Row> rows;
  for (const Json& launch : manifest.value("launches", Json::array())) {
    rows.push_back({{launch.value("time", "")},
                    {launch.value("host", "")},
                    {launch.value("version", "")},
                    {launch.value("libtorch", "")},
                    {launch.value("commit", "")}});
  }
  return table({"launched", "on", "roboimi", "libtorch", "commit of the suite"}, rows);
}

}  // namespace

std::string suite_report(const std::filesystem::path& suite_folder) {
  const Runs runs = read_runs(suite_folder);
  const std::vector<std::string> groups = groups_of(runs);
  const Json manifest = read_manifest(suite_folder);
  const std::string title = html_text(manifest.value("suite", "suite"));
  return fmt::format(
             "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>\n<meta name='viewport' "
             "content='width=device-width, initial-scale=1'>\n<meta name='color-scheme' "
             "content='light dark'>\n<title>{0}</title>\n<style>{1}</style></head>\n<body><main>\n"
             "<h1>{0}</h1>\n<p class='conclusion'>{3}</p>\n<p>As of {2}.</p>\n",
             title, kReportStyle, time_now(), html_text(conclusion(runs, groups))) +
         section("Success rates", success_table(runs, groups) + comparison_table(runs, groups)) +
         section("Runs", run_table(runs)) + section("Learning curves", curves(runs, groups)) +
         section("Rollouts", media(runs)) +
         section("Differences between the configurations", difference_table(runs)) +
         section("Times", timing_table(runs)) + section("Origin", origin(manifest)) +
         "</main></body></html>\n";
}

}  // namespace roboimi
