// What is written beside a suite, so that anyone finds its runs:
//
//   manifest.json   what was launched: configurations, weights and their hashes, versions, commit
//   status.json     the runs' states; see run_status.h
//   notes.md        both for people, and below a line that person's own words, which are kept
//
// Each file is replaced atomically; a lock keeps writers from undoing each other.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "suite/run_status.h"

namespace roboimi {

// The manifest, or null before the first launch.
ROBOIMI_EXPORT nlohmann::ordered_json read_manifest(const std::filesystem::path& suite_folder);
// Replaces the manifest by what `change` makes of it.
ROBOIMI_EXPORT void change_manifest(
    const std::filesystem::path& suite_folder,
    const std::function<void(nlohmann::ordered_json& manifest)>& change);

// The rows of status.json; none before the first launch.
ROBOIMI_EXPORT std::vector<RunStatus> read_status(const std::filesystem::path& suite_folder);
// Puts the rows of one target in place of those that status.json has of the same runs there, and
// makes the notes anew. A launch that did not reach the target is known here alone, and stays.
ROBOIMI_EXPORT void update_records(const std::filesystem::path& suite_folder,
                                   const std::string& target, const std::vector<RunStatus>& rows);
// Changes rows in place, under the same lock.
ROBOIMI_EXPORT void change_status(const std::filesystem::path& suite_folder,
                                  const std::function<void(std::vector<RunStatus>& rows)>& change);

// The notes, with what `former` has below the line.
ROBOIMI_EXPORT std::string notes_text(const nlohmann::ordered_json& manifest,
                                      const std::vector<RunStatus>& rows,
                                      const std::string& former);

// A key that is not the same in all configurations, with each one's value as JSON ("-": not there).
struct ConfigDifference {
  std::string key;  // "agent.head.n_emb"
  std::vector<std::string> values;
};
// Lists count as one value. Where runs are kept and what they are called is no difference.
ROBOIMI_EXPORT std::vector<ConfigDifference> config_differences(
    const std::vector<nlohmann::ordered_json>& configs);

}  // namespace roboimi
