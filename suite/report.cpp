#include "suite/report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

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

// Long text may be broken anywhere: a table of long names must show more than them.
std::string cell(const std::string& text, const char* tag = "td", std::string classes = "") {
  constexpr std::size_t kLong = 24;
  if (text.size() > kLong) classes += classes.empty() ? "long" : " long";
  const std::string attribute = classes.empty() ? "" : " class='" + classes + "'";
  return fmt::format("<{0}{2}>{1}</{0}>", tag, html_text(text), attribute);
}

std::string row(const std::vector<std::string>& texts, const char* tag = "td") {
  std::string html = "<tr>";
  for (const std::string& text : texts) html += cell(text, tag);
  return html + "</tr>\n";
}

std::string table(const std::vector<std::string>& head, const std::string& rows) {
  return "<div class='table'><table><thead>" + row(head, "th") + "</thead><tbody>" + rows +
         "</tbody></table></div>\n";
}

std::string section(const std::string& title, const std::string& body) {
  return body.empty() ? "" : "<section><h2>" + html_text(title) + "</h2>\n" + body + "</section>\n";
}

std::string percent(double share) { return fmt::format("{:.1f} %", 100 * share); }

// ---- Runs ---------------------------------------------------------------------------------------

std::string run_table(const Runs& runs) {
  std::string rows;
  for (const RunData& run : runs) {
    const RunStatus& status = run.status;
    rows += "<tr>" + cell(run.name) +
            fmt::format("<td><span class='state {0}'>{0}</span></td>", to_string(status.state)) +
            cell(status.target + (status.slot.empty() ? "" : ", " + status.slot)) +
            cell(status.step ? fmt::format("{} / {}", *status.step, status.max_steps) : "") +
            cell(status.loss ? fmt::format("{:.4g}", *status.loss) : "") + cell(status.heard) +
            cell(status.text) + "</tr>\n";
  }
  return table({"run", "state", "where", "step", "loss", "heard", "note"}, rows);
}

// ---- Curves -------------------------------------------------------------------------------------

// A group's runs at each step where one of them has the value.
ChartLine averaged(const Runs& runs, const std::string& group, std::size_t colour,
                   const std::string& key) {
  std::map<double, std::vector<double>> values;
  for (const RunData& run : runs) {
    const auto curve = run.curves.find(key);
    if (run.group != group || curve == run.curves.end()) continue;
    for (const auto& [step, value] : curve->second) values[step].push_back(value);
  }
  ChartLine line{.name = group, .colour = colour, .points = {}};
  for (const auto& [step, at_step] : values) line.points.push_back({step, mean_interval(at_step)});
  return line;
}

std::string curves(const Runs& runs, const std::vector<std::string>& groups) {
  struct Wanted {
    const char* key;
    const char* title;
    bool logarithmic, is_rate;
  };
  constexpr Wanted kWanted[] = {
      {"train/loss", "Training loss", true, false},
      {"rollout/success_rate", "Success of rollouts", false, true},
      {"validation/loss", "Loss on held-out episodes", true, false},
      {"rollout/mean_highest_reward", "Highest reward", false, false},
      {"train/steps_per_second", "Training steps a second", false, false}};
  std::string charts;
  for (const Wanted& wanted : kWanted) {
    Chart chart{.title = wanted.title,
                .logarithmic = wanted.logarithmic,
                .is_rate = wanted.is_rate,
                .lines = {}};
    for (std::size_t i = 0; i < groups.size(); ++i) {
      chart.lines.push_back(averaged(runs, groups[i], i, wanted.key));
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
         "</p><p>Lines are means over seeds, bands their 95 % intervals (Student's t) where "
         "there are two seeds or more.</p>\n<div class='charts'>" +
         charts + "</div>\n";
}

// ---- Success ------------------------------------------------------------------------------------

struct Counts {
  std::int64_t successes = 0, episodes = 0;
  double reward = 0.0;
  std::int64_t runs = 0;
  std::vector<std::string> evaluations;  // each once
};

Counts count(const Runs& runs, const std::string& group) {
  Counts counts;
  for (const RunData& run : runs) {
    if (run.group != group || run.episodes.empty()) continue;
    counts.runs += 1;
    counts.reward += run.mean_highest_reward;
    const std::string evaluation = run.evaluation + ": " + run.evaluation_note;
    if (std::find(counts.evaluations.begin(), counts.evaluations.end(), evaluation) ==
        counts.evaluations.end()) {
      counts.evaluations.push_back(evaluation);
    }
    for (const EpisodeResult& episode : run.episodes) {
      counts.episodes += 1;
      counts.successes += episode.success ? 1 : 0;
    }
  }
  return counts;
}

std::string success_table(const Runs& runs, const std::vector<std::string>& groups) {
  std::string rows;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const Counts counts = count(runs, groups[i]);
    if (counts.episodes == 0) continue;
    const auto [low, high] = wilson_interval(counts.successes, counts.episodes);
    const double rate =
        static_cast<double>(counts.successes) / static_cast<double>(counts.episodes);
    const std::string bar = fmt::format(
        "<td><svg class='interval' viewBox='0 0 100 12' preserveAspectRatio='none'><line "
        "class='grid' "
        "x1='0' x2='100' y1='6' y2='6'/><line x1='{:.1f}' x2='{:.1f}' y1='6' y2='6' "
        "style='stroke:var(--c{})' stroke-width='6'/><rect x='{:.1f}' y='0' width='1.5' "
        "height='12' class='mark'/></svg></td>",
        100 * low, 100 * high, i % 8, 100 * rate);
    rows += "<tr>" + cell(groups[i]) +
            cell(fmt::format("{}/{} = {}", counts.successes, counts.episodes, percent(rate))) +
            cell(fmt::format("{:.1f} .. {:.1f} %", 100 * low, 100 * high)) + bar +
            cell(fmt::format("{:.2f}", counts.reward / static_cast<double>(counts.runs))) +
            cell(std::to_string(counts.runs)) +
            cell(fmt::format("{}", fmt::join(counts.evaluations, "; "))) + "</tr>\n";
  }
  if (rows.empty()) return "";
  return "<p>Each training counts by its newest evaluation of the policy as it is: no control, no "
         "overrides, the averaged weights. Without one, by its last rollouts.</p>\n" +
         table({"run", "success", "95 % interval", "from 0 to 100 %", "highest reward", "trainings",
                "episodes of"},
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

std::string comparison_table(const Runs& runs, const std::vector<std::string>& groups) {
  std::string rows;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    for (std::size_t j = i + 1; j < groups.size(); ++j) {
      const auto first = outcomes(runs, groups[i]), second = outcomes(runs, groups[j]);
      std::int64_t shared = 0, first_only = 0, second_only = 0;
      for (const auto& [seeds, success] : first) {
        const auto other = second.find(seeds);
        if (other == second.end()) continue;
        ++shared;
        first_only += success && !other->second ? 1 : 0;
        second_only += !success && other->second ? 1 : 0;
      }
      if (shared == 0) continue;
      rows += row({groups[i], groups[j], std::to_string(shared), std::to_string(first_only),
                   std::to_string(second_only),
                   fmt::format("{:.2g}", mcnemar_p(first_only, second_only))});
    }
  }
  if (rows.empty()) return "";
  return "<p>Pairwise, on the episodes that both saw (McNemar's exact test, two-sided):</p>\n" +
         table({"A", "B", "episodes", "only A solved", "only B solved", "p"}, rows);
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
      {"loop_total_ms", "whole step"},     {"chunk_ms", "an action chunk"}};
  std::vector<std::string> head = {"run", "training steps a second", "waiting for data, ms a step"};
  for (const auto& [key, title] : kColumns) head.push_back(title + std::string(", ms"));
  std::string rows;
  for (const RunData& run : runs) {
    if (!run.curves.contains("train/steps_per_second")) continue;
    std::vector<std::string> cells = {
        run.name, fmt::format("{:.1f}", last_value(run, "train/steps_per_second")),
        fmt::format("{:.2f}", last_value(run, "train/data_ms"))};
    for (const auto& [key, title] : kColumns) {
      const auto value = run.timings.find(key);
      cells.push_back(value == run.timings.end() ? "" : fmt::format("{:.2f}", value->second));
    }
    rows += row(cells);
  }
  return rows.empty() ? "" : table(head, rows);
}

std::string media(const Runs& runs) {
  EmbeddedMedia embedded;
  constexpr std::size_t kMostOfARun = 2;  // of each kind
  std::string html;
  for (const RunData& run : runs) {
    for (const auto* files : {&run.pictures, &run.videos}) {
      for (std::size_t i = 0; i < std::min(kMostOfARun, files->size()); ++i) {
        const auto& file = (*files)[i];
        html += embedded.element(
            file, fmt::format("{}: {}, {}", run.name, run.evaluation, file.filename().string()));
      }
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
  std::string rows;
  for (const ConfigDifference& difference : config_differences(configs)) {
    rows += "<tr><td><code>" + html_text(difference.key) + "</code></td>";
    for (const std::string& value : difference.values) {
      const bool differs = value != difference.values.front();
      rows += cell(value, "td", differs ? "differs" : "");
    }
    rows += "</tr>\n";
  }
  if (rows.empty()) return "";
  return "<p>Marked is what is not as in the first run.</p>\n" + table(head, rows);
}

std::string origin(const Json& manifest) {
  std::string rows;
  for (const Json& launch : manifest.value("launches", Json::array())) {
    rows += row({launch.value("time", ""), launch.value("host", ""), launch.value("version", ""),
                 launch.value("libtorch", ""), launch.value("commit", "")});
  }
  return rows.empty()
             ? ""
             : table({"launched", "on", "roboimi", "libtorch", "commit of the suite"}, rows);
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
             "<h1>{0}</h1>\n<p>As of {2}.</p>\n",
             title, kReportStyle, time_now()) +
         section("Runs", run_table(runs)) +
         section("Success", success_table(runs, groups) + comparison_table(runs, groups)) +
         section("Learning curves", curves(runs, groups)) + section("Rollouts", media(runs)) +
         section("Where the configurations differ", difference_table(runs)) +
         section("Times", timing_table(runs)) + section("Origin", origin(manifest)) +
         "</main></body></html>\n";
}

}  // namespace roboimi
