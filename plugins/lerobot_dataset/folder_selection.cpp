// The part of LerobotFolder that chooses the episodes, all of which must be complete.
#include <fmt/format.h>

#include <algorithm>

#include "plugins/lerobot_dataset/lerobot_folder.h"
#include "plugins/lerobot_dataset/table_check.h"
#include "roboimi/common/error.h"
#include "roboimi/contract/episode_selection.h"

namespace roboimi::lerobot_dataset {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kListedErrors = 10;

// Leaves out episodes after the last one in the table: their recording was interrupted after their
// rows were written and before their entry was, and only the table states where their videos are.
void leave_out_unlisted(const InfoFile& info, const EpisodeTable& table,
                        std::set<std::int64_t>& numbers, Findings& findings) {
  if (!info.is_v3 || table.error || table.episodes.empty()) return;
  const auto first = numbers.upper_bound(table.episodes.rbegin()->first);
  if (first == numbers.end()) return;
  const std::vector<std::int64_t> left_out(first, numbers.end());
  findings.warn(fmt::format("{}: left out, because they are not in the episode table: episodes {}",
                            info.folder().string(), listed_numbers(left_out)));
  numbers.erase(first, numbers.end());
}

bool has_video(const CameraFeature& camera) { return camera.feature.dtype == "video"; }

bool has_error(const DataFile& file) { return file.error.has_value(); }

// The columns of strings that are read.
std::vector<Feature> text_columns(const FeatureMap& features) {
  std::vector<Feature> columns = features.texts;
  if (features.task && features.task->dtype == "string") columns.push_back(*features.task);
  return columns;
}

std::vector<std::int64_t> known_numbers(const EpisodeTable& table, const RowIndex& rows) {
  std::set<std::int64_t> numbers;
  for (const auto& [number, entry] : table.episodes) numbers.insert(number);
  for (const auto& [number, episode] : rows.episodes()) numbers.insert(number);
  return {numbers.begin(), numbers.end()};
}

}  // namespace

// The chosen episodes, by number, all of which must be complete.
void LerobotFolder::select_episodes(const DatasetOptions& options, Findings& findings) {
  if (rows_.files().empty()) {
    throw Error({.what = "the dataset has no data files",
                 .where = info_.folder().string(),
                 .expected = info_.data_path.text(),
                 .found = "no file of that name",
                 .next = "download or copy the folder again, with its data"});
  }
  const std::vector<std::int64_t> known = known_numbers(table_, rows_);
  const bool has_errors = table_.error || std::ranges::any_of(rows_.files(), &has_error);
  if (known.empty() && !has_errors) {
    throw Error({.what = "the dataset has no episodes",
                 .where = info_.folder().string(),
                 .expected = "rows in the data files",
                 .next = "download or copy the folder again, with its data"});
  }
  const EpisodeSelection selection(options.episodes);
  std::set<std::int64_t> chosen;
  for (const std::size_t i : selection.positions_in(known, info_.folder().string())) {
    chosen.insert(known[i]);
  }
  const bool is_filtered = !selection.selects_all();
  if (!is_filtered && std::ranges::any_of(features_.cameras, &has_video)) {
    leave_out_unlisted(info_, table_, chosen, findings);
  }
  const bool skips = options.unreadable == UnreadableEpisodes::kSkip;
  if (skips) {
    leave_out_unreadable(chosen, findings);
  } else {
    require_readable(chosen, is_filtered, findings);
  }
  if (!is_filtered) compare_totals(info_, rows_, findings);

  std::vector<Error> errors;
  for (const std::int64_t number : chosen) {
    if (options.max_episodes > 0 && num_episodes() == options.max_episodes) break;
    try {
      add_episode(number, skips);
    } catch (const Error& error) {
      if (!skips) throw;
      errors.push_back(error);
    }
  }
  if (episodes_.empty() && !errors.empty()) throw Error(errors.front());
  for (std::size_t i = 0; i < errors.size() && i < kListedErrors; ++i) {
    findings.warn(fmt::format("left out: {}", one_line_message(errors[i])));
  }
  if (errors.size() > kListedErrors) {
    findings.warn(fmt::format("left out: {} more episodes that cannot be read",
                              errors.size() - kListedErrors));
  }
}

// Every frame once, at its time. With `is_read`, the vectors and strings can be read, too.
void LerobotFolder::add_episode(std::int64_t number, bool is_read) {
  require_rows(number);
  rows_.check(number, info_.fps);
  const EpisodeRows& rows = rows_.episodes().at(number);
  EpisodeInfo info{.file = rows_.file_of(rows), .length = rows.length};
  const auto entry = table_.episodes.find(number);
  if (entry != table_.episodes.end() && entry->second.header) {
    info.seed = entry->second.header->seed;
    info.success = entry->second.header->success;
  }
  episodes_.push_back(number);
  infos_.push_back(std::move(info));
  if (!is_read) return;
  const std::int64_t added = num_episodes() - 1;
  try {
    static_cast<void>(actions(added));
    for (const VectorFeature& vector : features_.vectors) {
      static_cast<void>(vectors(added, vector, 0, rows.length));
    }
    for (const Run& run : rows.runs) {
      const auto reader = data_.open(rows_.files()[run.file].path);
      for (const Feature& text : text_columns(features_)) {
        static_cast<void>(reader->read_strings(text.name, run.row, run.count));
      }
    }
  } catch (const Error&) {
    episodes_.pop_back();
    infos_.pop_back();
    throw;
  }
}

// Whether all rows of an episode, and its entry in the table, are in files that can be read.
bool LerobotFolder::is_whole(std::int64_t number) const {
  const auto rows = rows_.episodes().find(number);
  if (rows == rows_.episodes().end() || rows->second.fault) return false;
  const auto entry = table_.episodes.find(number);
  if (entry == table_.episodes.end()) return !table_.error;
  return entry->second.length.value_or(0) <= rows->second.length;
}

std::vector<Error::Parts> LerobotFolder::file_errors() const {
  std::vector<Error::Parts> errors;
  if (table_.error) errors.push_back(*table_.error);
  for (const DataFile& file : rows_.files()) {
    if (file.error) errors.push_back(*file.error);
  }
  return errors;
}

// A file that cannot be read, such as one that its recorder did not close, is an error unless all
// chosen episodes are complete without it.
void LerobotFolder::require_readable(const std::set<std::int64_t>& chosen, bool is_filtered,
                                     Findings& findings) const {
  const std::vector<Error::Parts> errors = file_errors();
  if (errors.empty()) return;
  const auto whole = [&](std::int64_t number) { return is_whole(number); };
  if (!is_filtered || !std::ranges::all_of(chosen, whole)) {
    Error::Parts parts = errors.front();
    std::vector<std::int64_t> rest = known_numbers(table_, rows_);
    std::erase_if(rest, [&](std::int64_t number) { return !is_whole(number); });
    if (!rest.empty()) {
      parts.next += fmt::format("{}or train on the others: data.episodes=[{}]",
                                parts.next.empty() ? "" : "; ", listed_numbers(rest));
    }
    throw Error(std::move(parts));
  }
  for (const Error::Parts& error : errors) {
    findings.warn(
        fmt::format("{}: {}; the chosen episodes are in other files", error.where, error.what));
  }
}

// Leaves out the chosen episodes of which a part is in a file that cannot be read.
void LerobotFolder::leave_out_unreadable(std::set<std::int64_t>& chosen, Findings& findings) const {
  const std::vector<Error::Parts> errors = file_errors();
  if (errors.empty()) return;
  // A fault of rows is reported with its row, by add_episode().
  std::erase_if(chosen, [&](std::int64_t number) {
    const auto rows = rows_.episodes().find(number);
    const bool has_fault = rows != rows_.episodes().end() && rows->second.fault;
    return !has_fault && !is_whole(number);
  });
  if (chosen.empty()) throw Error(errors.front());
  for (const Error::Parts& error : errors) {
    findings.warn(fmt::format("{}: {}; the episodes in it are left out", error.where, error.what));
  }
}

void LerobotFolder::require_rows(std::int64_t number) const {
  if (rows_.episodes().contains(number)) return;
  const TableEpisode& entry = table_.episodes.at(number);
  PathFields fields{
      .numbers = {{"episode_index", number}, {"episode_chunk", number / info_.chunks_size}}};
  if (entry.data_chunk) fields.numbers["chunk_index"] = *entry.data_chunk;
  if (entry.data_file) fields.numbers["file_index"] = *entry.data_file;
  const bool has_file = !info_.is_v3 || (entry.data_chunk && entry.data_file);
  const fs::path file = has_file ? info_.folder() / info_.data_path.format(fields) : fs::path();
  throw Error({.what = fmt::format("episode {} has no rows", number),
               .where = table_.files.front().string(),
               .expected = has_file ? "its rows in " + file.string() : "its rows in a data file",
               .found = has_file && !fs::exists(file) ? "no such file" : "no row of that episode",
               .next = "restore the data file, remove the episode from the table, or leave it out: "
                       "data.episodes"});
}

}  // namespace roboimi::lerobot_dataset
