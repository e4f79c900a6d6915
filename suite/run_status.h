// The status of one run of a suite: a row of status.json.
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
  kQueued,  // waiting for a slot
  kSmoke,   // its trial of a few steps is running
  kRunning,
  kFinished,
  kStopped,  // stopped on request with a checkpoint; resume continues it
  kFailed,   // ended with an error, or not started; `text` has the reason
  kLost,     // its process disappeared without a record; resume continues it
};
ROBOIMI_EXPORT const char* to_string(RunState state);

struct RunStatus {
  std::string name;
  std::string target;
  RunState state = RunState::kQueued;
  std::string text = {};         // the reason for the state, for the user
  bool asked_to_stop = false;    // a second signal would kill it without a checkpoint
  std::string slot = {};         // "gpu 0", "slot 1", a partition
  ProcessIdentity process = {};  // on the target's machine
  std::string job_id = {};       // of a batch system
  std::int64_t attempts = 0;     // number of times its training was started
  std::string log = {}, run_folder = {};
  std::string tracker_url = {};
  std::optional<std::int64_t> step = {};
  std::int64_t max_steps = 0;
  std::optional<double> loss = {}, success_rate = {};
  std::string last_update = {};  // time of this row: 2026-01-31T12:00:00Z

  // Queued, smoke or running: must not be started again.
  bool is_active() const {
    return state == RunState::kQueued || state == RunState::kSmoke || state == RunState::kRunning;
  }
};

ROBOIMI_EXPORT nlohmann::ordered_json to_json(const RunStatus& status);
// Throws Error if a key is missing or has the wrong type.
ROBOIMI_EXPORT RunStatus run_status_from(const nlohmann::ordered_json& json);
ROBOIMI_EXPORT nlohmann::ordered_json to_json(const std::vector<RunStatus>& rows);
ROBOIMI_EXPORT std::vector<RunStatus> run_statuses_from(const nlohmann::ordered_json& json);

// The row of that name, or nullptr.
ROBOIMI_EXPORT RunStatus* find_run(std::vector<RunStatus>& rows, const std::string& name);
ROBOIMI_EXPORT const RunStatus* find_run(const std::vector<RunStatus>& rows,
                                         const std::string& name);

// Reads a JSON file. Throws Error with its path if it is not JSON.
ROBOIMI_EXPORT nlohmann::ordered_json read_json(const std::filesystem::path& file);

}  // namespace roboimi
