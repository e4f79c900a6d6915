// The records beside a suite file:
//
//   manifest.json   what was launched: configurations, weights and their hashes, versions, commit
//   status.json     the states of the runs; see run_status.h
//   notes.md        both in readable form; text below a marked line is the user's own and is kept
//
// Each file is replaced atomically. A lock serializes writers.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "suite/run_status.h"

namespace roboimi {

// The manifest; an empty object before the first launch.
ROBOIMI_EXPORT nlohmann::ordered_json read_manifest(const std::filesystem::path& suite_folder);
// Applies `change` to the manifest.
ROBOIMI_EXPORT void change_manifest(
    const std::filesystem::path& suite_folder,
    const std::function<void(nlohmann::ordered_json& manifest)>& change);

// The rows of status.json; empty before the first launch.
ROBOIMI_EXPORT std::vector<RunStatus> read_status(const std::filesystem::path& suite_folder);
// Replaces the rows of these runs on this target in status.json, and rewrites the notes. Other rows
// stay, including those of launches that did not reach the target.
ROBOIMI_EXPORT void update_records(const std::filesystem::path& suite_folder,
                                   const std::string& target, const std::vector<RunStatus>& rows);
// Applies `change` to the rows under the same lock.
ROBOIMI_EXPORT void change_status(const std::filesystem::path& suite_folder,
                                  const std::function<void(std::vector<RunStatus>& rows)>& change);

// The content of notes.md, with the text that `former` has below the marked line.
ROBOIMI_EXPORT std::string notes_text(const nlohmann::ordered_json& manifest,
                                      const std::vector<RunStatus>& rows,
                                      const std::string& former);

// A key whose value differs between configurations, with each value as JSON ("-": missing).
struct ConfigDifference {
  std::string key;  // "agent.head.n_emb"
  std::vector<std::string> values;
};
// Lists count as one value. The keys `name` and `output_dir` are ignored.
ROBOIMI_EXPORT std::vector<ConfigDifference> config_differences(
    const std::vector<nlohmann::ordered_json>& configs);

}  // namespace roboimi
