#include "plugins/lerobot_dataset/table_check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>

namespace roboimi::lerobot_dataset {
namespace {

constexpr std::int64_t kListedEpisodes = 3;

void compare(const std::string& column, const std::optional<std::int64_t>& stored,
             const std::optional<std::int64_t>& found, std::vector<std::string>& differences) {
  if (!stored || !found || *stored == *found) return;
  differences.push_back(fmt::format("{} is {} instead of {}", column, *stored, *found));
}

std::optional<std::int64_t> number_of(const PathFields& fields, const std::string& name) {
  const auto found = fields.numbers.find(name);
  return found == fields.numbers.end() ? std::nullopt : std::optional(found->second);
}

// The contradictions between the table's entry of an episode and its rows.
std::vector<std::string> differences_of(const TableEpisode& entry, const EpisodeRows& rows,
                                        const RowIndex& index) {
  std::vector<std::string> differences;
  compare("length", entry.length, rows.length, differences);
  compare("dataset_from_index", entry.from_index, rows.first_index, differences);
  if (rows.first_index && !rows.gap && *rows.first_index <= INT64_MAX - rows.length) {
    compare("dataset_to_index", entry.to_index, *rows.first_index + rows.length, differences);
  }
  const PathFields& fields = index.files()[rows.runs.front().file].fields;
  compare("data/chunk_index", entry.data_chunk, number_of(fields, "chunk_index"), differences);
  compare("data/file_index", entry.data_file, number_of(fields, "file_index"), differences);
  return differences;
}

}  // namespace

void compare_table(const InfoFile& info, const EpisodeTable& table, const RowIndex& rows,
                   Findings& findings) {
  if (table.files.empty()) {
    findings.warn(fmt::format("{}: there is no episode table; episodes are found by their rows",
                              (info.folder() / "meta").string()));
    return;
  }
  std::vector<std::string> lines;
  std::int64_t count = 0;
  for (const auto& [number, episode] : rows.episodes()) {
    if (episode.fault) continue;
    std::vector<std::string> differences;
    if (const auto entry = table.episodes.find(number); entry == table.episodes.end()) {
      differences = {fmt::format("has {} rows but no entry", episode.length)};
    } else {
      differences = differences_of(entry->second, episode, rows);
    }
    if (differences.empty()) continue;
    if (++count > kListedEpisodes) continue;
    lines.push_back(fmt::format("episode {}: {}", number, fmt::join(differences, ", ")));
  }
  if (count == 0) return;
  findings.warn(fmt::format("{}: the episode table contradicts the rows, which are used: {}{}",
                            table.files.front().string(), fmt::join(lines, "; "),
                            count > kListedEpisodes
                                ? fmt::format("; and {} more episodes", count - kListedEpisodes)
                                : ""));
}

void report_index_gaps(const RowIndex& rows, Findings& findings) {
  std::vector<std::string> lines;
  std::int64_t count = 0;
  for (const auto& [number, episode] : rows.episodes()) {
    if (!episode.gap || ++count > kListedEpisodes) continue;
    lines.push_back(fmt::format("frame {} of episode {} has {} after {} ({})", episode.gap->frame,
                                number, episode.gap->found, episode.gap->before,
                                rows.file_of(episode).string()));
  }
  if (count == 0) return;
  findings.warn(fmt::format(
      "the column index has gaps, frame_index is used: {}{}", fmt::join(lines, "; "),
      count > kListedEpisodes ? fmt::format("; and {} more episodes", count - kListedEpisodes)
                              : ""));
}

void report_lost_rows(const RowIndex& rows, Findings& findings) {
  for (const DataFile& file : rows.files()) {
    if (file.num_lost == 0) continue;
    findings.leave_out(
        Error({.what = fmt::format("{} rows belong to no episode, the first one is row {}",
                                   file.num_lost, file.first_lost),
               .where = file.path.string(),
               .expected = "a number in the column 'episode_index'",
               .found = "null",
               .next = "repair the data file"}));
  }
}

void compare_totals(const InfoFile& info, const RowIndex& rows, Findings& findings) {
  const auto num_episodes = static_cast<std::int64_t>(rows.episodes().size());
  const bool episodes_differ = info.total_episodes && *info.total_episodes != num_episodes;
  const bool rows_differ = info.total_frames && *info.total_frames != rows.num_rows();
  if (!episodes_differ && !rows_differ) return;
  findings.warn(
      fmt::format("{}: announces {} episodes with {} rows, but {} episodes with {} rows were found",
                  info.file.string(), info.total_episodes.value_or(num_episodes),
                  info.total_frames.value_or(rows.num_rows()), num_episodes, rows.num_rows()));
}

}  // namespace roboimi::lerobot_dataset
