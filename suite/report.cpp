#include "suite/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "roboimi/common/origin.h"
#include "suite/records.h"
#include "suite/report_chart.h"
#include "suite/report_data.h"
#include "suite/report_media.h"
#include "suite/report_style.h"
#include "suite/report_success.h"
#include "suite/report_table.h"
#include "suite/statistics.h"

namespace roboimi {
namespace {

using Json = nlohmann::ordered_json;
using report::Row;
using report::table;
using Runs = std::vector<RunData>;

std::string section(const std::string& title, const std::string& body) {
  return body.empty() ? "" : "<section><h2>" + html_text(title) + "</h2>\n" + body + "</section>\n";
}

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
         {status.last_update},
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
             title, kReportStyle, time_now(), html_text(report::conclusion(runs, groups))) +
         section("Success rates",
                 report::success_table(runs, groups) + report::comparison_table(runs, groups)) +
         section("Runs", run_table(runs)) + section("Learning curves", curves(runs, groups)) +
         section("Rollouts", media(runs)) +
         section("Differences between the configurations", difference_table(runs)) +
         section("Times", timing_table(runs)) + section("Origin", origin(manifest)) +
         "</main></body></html>\n";
}

}  // namespace roboimi
