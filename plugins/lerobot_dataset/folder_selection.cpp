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

// The numbers of the chosen episodes.
std::set<std::int64_t> LerobotFolder::choose_episodes(const DatasetOptions& options,
                                                      Findings& findings) {
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
  if (skips_) {
    leave_out_unreadable(chosen, findings);
  } else {
    require_readable(chosen, is_filtered, findings);
  }
  if (!is_filtered) compare_totals(info_, rows_, findings);
  return chosen;
}

// Opens the chosen episodes with their videos, up to `max_episodes` (0: all).
void LerobotFolder::open_episodes(const std::set<std::int64_t>& chosen, std::int64_t max_episodes,
                                  Findings& findings) {
  IndexedVideos indexed;
  std::vector<std::string> warnings;
  auto next = chosen.begin();
  do {
    for (; next != chosen.end(); ++next) {
      if (max_episodes > 0 && num_episodes() == max_episodes) break;
      add_episode(*next);
    }
    warnings = place_videos(indexed);
    if (skips_) check_images();
    // An episode that is refused makes room for a later one.
  } while (remove_refused() && next != chosen.end());
  if (episodes_.empty()) throw Error(refused_.begin()->second);
  for (const auto& [number, reason] : refused_) findings.leave_out(Error(reason));
  for (const std::string& warning : warnings) findings.warn(warning);
}

// Leaves out an episode that cannot be read, if the options allow it; otherwise throws the reason.
void LerobotFolder::refuse(std::int64_t number, const Error::Parts& reason) {
  if (!skips_) throw Error(reason);
  refused_.try_emplace(number, reason);
}

bool LerobotFolder::remove_refused() {
  std::vector<std::int64_t> episodes;
  std::vector<EpisodeInfo> infos;
  for (std::size_t i = 0; i < episodes_.size(); ++i) {
    if (refused_.contains(episodes_[i])) continue;
    episodes.push_back(episodes_[i]);
    infos.push_back(std::move(infos_[i]));
  }
  const bool has_removed = episodes.size() < episodes_.size();
  episodes_ = std::move(episodes);
  infos_ = std::move(infos);
  return has_removed;
}

// Every frame once, at its time. If unreadable episodes are left out, its vectors and strings can
// be read, too.
void LerobotFolder::add_episode(std::int64_t number) {
  try {
    require_rows(number);
    rows_.check(number, info_.fps);
    require_tasks(number);
  } catch (const Error& error) {
    refuse(number, error.parts());
    return;
  }
  const EpisodeRows& rows = rows_.episodes().at(number);
  EpisodeInfo info{.file = rows_.file_of(rows), .length = rows.length};
  const auto entry = table_.episodes.find(number);
  if (entry != table_.episodes.end() && entry->second.header) {
    info.seed = entry->second.header->seed;
    info.success = entry->second.header->success;
  }
  episodes_.push_back(number);
  infos_.push_back(std::move(info));
  if (!skips_) return;
  try {
    require_values(num_episodes() - 1);
  } catch (const Error& error) {
    episodes_.pop_back();
    infos_.pop_back();
    refuse(number, error.parts());
  }
}

// Throws Error unless all vectors and strings of an episode can be read.
void LerobotFolder::require_values(std::int64_t i) const {
  static_cast<void>(actions(i));
  for (const VectorFeature& vector : features_.vectors) {
    static_cast<void>(vectors(i, vector, 0, episode(i).length));
  }
  for (const Run& run : rows_of(i).runs) {
    const auto reader = data_.open(rows_.files()[run.file].path);
    for (const Feature& text : text_columns(features_)) {
      static_cast<void>(reader->read_strings(text.name, run.row, run.count));
    }
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

// The data file of an episode according to the table; empty if that does not say.
fs::path LerobotFolder::data_file_of(std::int64_t number) const {
  const auto entry = table_.episodes.find(number);
  if (entry == table_.episodes.end()) return {};
  PathFields fields{
      .numbers = {{"episode_index", number}, {"episode_chunk", number / info_.chunks_size}}};
  if (info_.is_v3 && (!entry->second.data_chunk || !entry->second.data_file)) return {};
  if (entry->second.data_chunk) fields.numbers["chunk_index"] = *entry->second.data_chunk;
  if (entry->second.data_file) fields.numbers["file_index"] = *entry->second.data_file;
  return info_.folder() / info_.data_path.format(fields);
}

// Leaves out the chosen episodes of which a part is in a file that cannot be read.
void LerobotFolder::leave_out_unreadable(std::set<std::int64_t>& chosen, Findings& findings) {
  std::set<std::string> named;  // files
  const std::vector<Error::Parts> errors = file_errors();
  if (errors.empty()) return;
  std::erase_if(chosen, [&](std::int64_t number) {
    // A fault of rows is reported with its row, by add_episode().
    const auto rows = rows_.episodes().find(number);
    const bool has_rows = rows != rows_.episodes().end();
    if ((has_rows && rows->second.fault) || is_whole(number)) return false;
    const fs::path file = data_file_of(number);
    auto error = std::ranges::find(errors, file.string(), &Error::Parts::where);
    // Without rows, although its file can be read or is missing: add_episode() reports it.
    if (error == errors.end() && !has_rows && !file.empty()) return false;
    if (error == errors.end()) error = errors.begin();
    named.insert(error->where);
    Error::Parts reason = *error;
    reason.what = fmt::format("episode {} cannot be read: {}", number, error->what);
    refuse(number, reason);
    return true;
  });
  // Nothing names the episodes of these files.
  for (const Error::Parts& error : errors) {
    if (named.contains(error.where)) continue;
    Error::Parts reason = error;
    reason.what = fmt::format("the episodes of the file cannot be read: {}", error.what);
    findings.leave_out(Error(reason));
  }
  if (chosen.empty() && refused_.empty()) throw Error(errors.front());
}

// An episode has rows, and all of them if some rows name no episode.
void LerobotFolder::require_rows(std::int64_t number) const {
  const auto rows = rows_.episodes().find(number);
  const auto entry = table_.episodes.find(number);
  const std::int64_t found = rows == rows_.episodes().end() ? 0 : rows->second.length;
  if (rows != rows_.episodes().end()) {
    const std::int64_t length =
        entry == table_.episodes.end() ? found : entry->second.length.value_or(found);
    if (rows->second.fault || found >= length || !rows_.has_lost_rows()) return;
  }
  const fs::path file = data_file_of(number);
  const bool is_missing = !file.empty() && !fs::exists(file);
  const std::string count =
      found == 0 ? "no row of that episode" : fmt::format("{} rows of that episode", found);
  throw Error(
      {.what = fmt::format("episode {} {}", number, found == 0 ? "has no rows" : "lacks rows"),
       .where = table_.files.front().string(),
       .expected = "its rows in " + (file.empty() ? "a data file" : file.string()),
       .found = (is_missing ? "no such file" : count) +
                (rows_.has_lost_rows() ? ", and rows without a number in episode_index" : ""),
       .next = "restore the data file, remove the episode from the table, or leave it out: "
               "data.episodes, or data.unreadable=skip"});
}

}  // namespace roboimi::lerobot_dataset
