// What is known of one run of a suite: a row of status.json.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/common/processes.h"

namespace roboimi {

enum class RunState {
  kQueued,    // waits for a slot
  kSmoke,     // a few steps of it are being tried
  kRunning,   //
  kFinished,  //
  kStopped,   // asked to end, with a checkpoint; resume continues it
  kFailed,    // ended with an error, or never began: `text` says which
  kLost,      // its process is gone without a word; resume continues it
};
ROBOIMI_EXPORT const char* to_string(RunState state);

struct RunStatus {
  std::string name;
  std::string target;
  RunState state = RunState::kQueued;
  std::string text = {};         // why it is in this state, for people
  bool asked_to_stop = false;    // a second signal would end it without a checkpoint
  std::string slot = {};         // "gpu 0", "slot 1", a partition
  ProcessIdentity process = {};  // on the target's machine
  std::string job_id = {};       // of a batch system
  std::int64_t attempts = 0;     // how often its training was started
  std::string log = {}, run_folder = {};
  std::string tracker_url = {};
  std::optional<std::int64_t> step = {};
  std::int64_t max_steps = 0;
  std::optional<double> loss = {}, success_rate = {};
  std::string heard = {};  // when this was last seen to be so: 2026-01-31T12:00:00Z

  // Queued, smoke or running: nothing more may be started for it.
  bool is_active() const {
    return state == RunState::kQueued || state == RunState::kSmoke || state == RunState::kRunning;
  }
};

ROBOIMI_EXPORT nlohmann::ordered_json to_json(const RunStatus& status);
// Error when a key is missing or of another type.
ROBOIMI_EXPORT RunStatus run_status_from(const nlohmann::ordered_json& json);
ROBOIMI_EXPORT nlohmann::ordered_json to_json(const std::vector<RunStatus>& rows);
ROBOIMI_EXPORT std::vector<RunStatus> run_statuses_from(const nlohmann::ordered_json& json);

// The row of that name, or nullptr.
ROBOIMI_EXPORT RunStatus* find_run(std::vector<RunStatus>& rows, const std::string& name);
ROBOIMI_EXPORT const RunStatus* find_run(const std::vector<RunStatus>& rows,
                                         const std::string& name);

// Reads a JSON file. Error naming the file when it is none.
ROBOIMI_EXPORT nlohmann::ordered_json read_json(const std::filesystem::path& file);

}  // namespace roboimi
