#include "app/data_findings.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "app/data_scale.h"
#include "roboimi/common/error.h"
#include "roboimi/common/text.h"
#include "roboimi/contract/episode_selection.h"
#include "roboimi/data/checked_reads.h"

namespace roboimi::app {
namespace {

constexpr std::size_t kMostEpisodeLines = 2;  // for one dimension that jumps

void report(std::vector<DataFinding>& findings, const char* kind,
            std::optional<std::int64_t> episode, std::string text) {
  findings.push_back({.kind = kind, .episode = episode, .text = std::move(text)});
}

// Reads the tables; an episode that cannot be read becomes a finding.
std::vector<DataTable> read_tables(const Dataset& dataset,
                                   const std::function<void(std::int64_t)>& progress,
                                   std::vector<DataFinding>& findings) {
  const ObservationSpec& spec = dataset.spec();
  std::vector<DataTable> tables;
  for (const StreamSpec& stream : spec.streams) {
    if (stream.kind != StreamKind::kVector) continue;
    tables.push_back({.name = stream.name, .element_names = stream.element_names});
  }
  const StreamSpec* state = spec.find(kState);
  const bool follows_state = state != nullptr && state->shape[0] == spec.action_dim;
  tables.push_back({.name = "action"});
  if (follows_state) tables.back().element_names = state->element_names;
  for (std::int64_t episode = 0; episode < dataset.num_episodes(); ++episode) {
    for (DataTable& table : tables) {
      at::Tensor values;
      try {
        values = &table == &tables.back() ? read_actions(dataset, episode)
                                          : read_stream(dataset, episode, table.name);
        values = values.to(at::kDouble).contiguous();
      } catch (const Error& error) {
        report(findings, "unreadable", episode,
               fmt::format("episode {}: {} cannot be read: {}", episode, table.name,
                           one_line_message(error)));
      }
      table.episodes.push_back(values);
    }
    if (progress) progress(episode + 1);
  }
  return tables;
}

void find_not_finite(const DataTable& table, std::vector<DataFinding>& findings) {
  for (std::size_t episode = 0; episode < table.episodes.size(); ++episode) {
    const at::Tensor& values = table.episodes[episode];
    if (!values.defined()) continue;
    const at::Tensor bad = at::isfinite(values).logical_not().nonzero();
    if (bad.size(0) == 0) continue;
    const auto row = bad[0][0].item<std::int64_t>(), column = bad[0][1].item<std::int64_t>();
    report(findings, "not_finite", static_cast<std::int64_t>(episode),
           fmt::format("episode {}: {} is {} in row {} ({} such values)", episode,
                       element_label(table.name, column, table.element_names),
                       value_at(values, row, column), row, bad.size(0)));
  }
}

void find_constants(const DataTable& table, const std::vector<DimensionScale>& scales,
                    std::vector<DataFinding>& findings) {
  for (std::size_t column = 0; column < scales.size(); ++column) {
    if (!scales[column].has_values || scales[column].min < scales[column].max) continue;
    report(findings, "constant", std::nullopt,
           fmt::format(
               "all episodes: {} is always {:.6g}",
               element_label(table.name, static_cast<std::int64_t>(column), table.element_names),
               scales[column].min));
  }
}

// The upper quartile of the steps in the five rows before and after one: the speed of the motion
// that a jump interrupts. A quartile, so that a jump there and back is two jumps.
double speed_around(const at::Tensor& values, std::int64_t row, std::int64_t column) {
  constexpr std::int64_t kRows = 5;
  std::vector<double> steps;
  const std::int64_t end = std::min(row + kRows + 1, values.size(0));
  for (std::int64_t i = std::max<std::int64_t>(row - kRows, 1); i < end; ++i) {
    const double step = step_at(values, i, column);
    if (i != row && std::isfinite(step)) steps.push_back(step);
  }
  if (steps.empty()) return 0.0;
  const auto quartile = steps.begin() + std::ssize(steps) * 3 / 4;
  std::ranges::nth_element(steps, quartile);
  return *quartile;
}

// The largest jump of a dimension in an episode, and the number of its jumps.
struct Jump {
  std::size_t episode = 0;
  std::int64_t column = 0, row = 0, count = 0;
  double size = 0.0;
};

std::optional<Jump> largest_jump(const at::Tensor& values, std::int64_t column,
                                 const DimensionScale& scale) {
  const double least =
      std::max(kJumpFactor * scale.median_step, kJumpShare * (scale.max - scale.min));
  Jump jump{.column = column};
  for (std::int64_t row = 1; row < values.size(0); ++row) {
    const double step = step_at(values, row, column);
    if (!std::isfinite(step) || step <= least) continue;
    if (step <= kJumpFactor * speed_around(values, row, column)) continue;
    ++jump.count;
    if (step <= jump.size) continue;
    jump.size = step;
    jump.row = row;
  }
  return jump.count > 0 ? std::optional(jump) : std::nullopt;
}

// One line for a dimension that jumps in many episodes.
void report_dimension(const DataTable& table, const std::vector<Jump>& jumps,
                      std::vector<DataFinding>& findings) {
  const Jump& largest = *std::ranges::max_element(jumps, {}, &Jump::size);
  std::vector<std::int64_t> episodes;
  for (const Jump& jump : jumps) episodes.push_back(static_cast<std::int64_t>(jump.episode));
  report(findings, "jump", std::nullopt,
         fmt::format("{}: {} episodes jump, by up to {:.4g} (episode {}, row {} to {}): {}",
                     element_label(table.name, largest.column, table.element_names), jumps.size(),
                     largest.size, largest.episode, largest.row - 1, largest.row,
                     listed_numbers(episodes)));
}

// One line for an episode: its largest jump, and the number of the others.
void report_episode(const DataTable& table, const std::vector<DimensionScale>& scales,
                    const std::vector<Jump>& jumps, std::vector<DataFinding>& findings) {
  const auto times_median = [&](const Jump& jump) {
    return jump.size / scales[static_cast<std::size_t>(jump.column)].median_step;
  };
  const Jump& largest = *std::ranges::max_element(jumps, {}, times_median);
  std::int64_t count = 0;
  for (const Jump& jump : jumps) count += jump.count;
  report(
      findings, "jump", static_cast<std::int64_t>(largest.episode),
      fmt::format("episode {}: {} jumps by {:.4g} from row {} to {}, {:.0f} times its median "
                  "step{}",
                  largest.episode, element_label(table.name, largest.column, table.element_names),
                  largest.size, largest.row - 1, largest.row, times_median(largest),
                  count > 1 ? fmt::format(" ({} jumps in total)", count) : ""));
}

void find_jumps(const DataTable& table, const std::vector<DimensionScale>& scales,
                std::vector<DataFinding>& findings) {
  std::map<std::size_t, std::vector<Jump>> by_episode;
  for (std::size_t column = 0; column < scales.size(); ++column) {
    if (scales[column].has_two_levels) continue;
    std::vector<Jump> jumps;
    for (std::size_t episode = 0; episode < table.episodes.size(); ++episode) {
      const at::Tensor& values = table.episodes[episode];
      if (!values.defined()) continue;
      auto jump = largest_jump(values, static_cast<std::int64_t>(column), scales[column]);
      if (!jump) continue;
      jump->episode = episode;
      jumps.push_back(*jump);
    }
    if (jumps.size() > kMostEpisodeLines) {
      report_dimension(table, jumps, findings);
    } else {
      for (const Jump& jump : jumps) by_episode[jump.episode].push_back(jump);
    }
  }
  for (const auto& [episode, jumps] : by_episode) report_episode(table, scales, jumps, findings);
}

void find_still_actions(const DataTable& actions, std::vector<DataFinding>& findings) {
  for (std::size_t episode = 0; episode < actions.episodes.size(); ++episode) {
    const at::Tensor& values = actions.episodes[episode];
    if (!values.defined() || values.size(0) < 2 || values.size(1) == 0) continue;
    if (!values.eq(values[0]).all().item<bool>()) continue;
    report(findings, "still", static_cast<std::int64_t>(episode),
           fmt::format("episode {}: the action never changes in {} rows", episode, values.size(0)));
  }
}

void find_short_episodes(const Dataset& dataset, std::vector<DataFinding>& findings) {
  std::vector<double> lengths;
  for (std::int64_t i = 0; i < dataset.num_episodes(); ++i) {
    lengths.push_back(static_cast<double>(dataset.episode(i).length));
  }
  const double median = median_of(lengths);
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    if (lengths[i] >= kShortShare * median) continue;
    report(findings, "short", static_cast<std::int64_t>(i),
           fmt::format("episode {}: {:.0f} rows; the median is {:.0f}", i, lengths[i], median));
  }
}

}  // namespace

double median_of(std::vector<double> values) {
  if (values.empty()) return 0.0;
  const std::size_t middle = values.size() / 2;
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(middle),
                   values.end());
  if (values.size() % 2 == 1) return values[middle];
  const double below =
      *std::max_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(middle));
  return (below + values[middle]) / 2;
}

std::string element_label(const std::string& quantity, std::int64_t index,
                          const std::vector<std::string>& names) {
  const auto place = static_cast<std::size_t>(index);
  const std::string name =
      place < names.size() && !names[place].empty() ? " (" + printable(names[place], 60) + ")" : "";
  return fmt::format("{}[{}]{}", printable(quantity, 60), index, name);
}

std::vector<DataFinding> find_oddities(const Dataset& dataset,
                                       const std::function<void(std::int64_t)>& progress) {
  std::vector<DataFinding> findings;
  if (dataset.spec().control_hz <= 0.0) {
    report(findings, "rate", std::nullopt,
           "all episodes: the control rate is unknown (data.control_hz sets it where the format "
           "does not record it)");
  }
  const std::vector<DataTable> tables = read_tables(dataset, progress, findings);
  for (const DataTable& table : tables) {
    std::vector<DimensionScale> scales;
    for (std::int64_t column = 0; column < width_of(table); ++column) {
      scales.push_back(scale_of(table, column));
    }
    find_not_finite(table, findings);
    find_constants(table, scales, findings);
    find_jumps(table, scales, findings);
  }
  find_still_actions(tables.back(), findings);
  find_short_episodes(dataset, findings);
  std::ranges::stable_sort(findings, {},
                           [](const DataFinding& finding) { return finding.episode.value_or(-1); });
  return findings;
}

}  // namespace roboimi::app
