#include "suite/run_status.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"

namespace roboimi {
namespace {

using Json = nlohmann::ordered_json;

constexpr RunState kStates[] = {RunState::kQueued,   RunState::kSmoke,   RunState::kRunning,
                                RunState::kFinished, RunState::kStopped, RunState::kFailed,
                                RunState::kLost};

template <typename Value>
Json optional_json(const std::optional<Value>& value) {
  return value ? Json(*value) : Json();
}

template <typename Value>
std::optional<Value> optional_from(const Json& json) {
  if (json.is_null()) return std::nullopt;
  return json.get<Value>();
}

RunState state_from(const std::string& name) {
  for (const RunState state : kStates) {
    if (name == to_string(state)) return state;
  }
  throw Error({.what = "unknown state of a run", .found = "'" + name + "'"});
}

// Earlier versions recorded this only in the text.
bool was_asked_to_stop(const Json& json) {
  const auto recorded = json.find("asked_to_stop");
  if (recorded != json.end()) return recorded->get<bool>();
  return json.at("text").get<std::string>().starts_with("asked to stop");
}

// Earlier versions wrote "heard".
std::string last_update_of(const Json& json) {
  const auto old = json.find("heard");
  return old != json.end() ? *old : json.at("last_update");
}

}  // namespace

const char* to_string(RunState state) {
  switch (state) {
    case RunState::kQueued:
      return "queued";
    case RunState::kSmoke:
      return "smoke";
    case RunState::kRunning:
      return "running";
    case RunState::kFinished:
      return "finished";
    case RunState::kStopped:
      return "stopped";
    case RunState::kFailed:
      return "failed";
    case RunState::kLost:
      return "lost";
  }
  return "unknown";
}

Json to_json(const RunStatus& status) {
  return {{"name", status.name},
          {"target", status.target},
          {"state", to_string(status.state)},
          {"text", status.text},
          {"asked_to_stop", status.asked_to_stop},
          {"slot", status.slot},
          {"pid", status.process.pid},
          {"start_ticks", status.process.start_ticks},
          {"boot_id", status.process.boot_id},
          {"job_id", status.job_id},
          {"attempts", status.attempts},
          {"log", status.log},
          {"run_folder", status.run_folder},
          {"tracker_url", status.tracker_url},
          {"step", optional_json(status.step)},
          {"max_steps", status.max_steps},
          {"loss", optional_json(status.loss)},
          {"success_rate", optional_json(status.success_rate)},
          {"last_update", status.last_update}};
}

RunStatus run_status_from(const Json& json) {
  try {
    return {.name = json.at("name"),
            .target = json.at("target"),
            .state = state_from(json.at("state")),
            .text = json.at("text"),
            .asked_to_stop = was_asked_to_stop(json),
            .slot = json.at("slot"),
            .process = {.pid = json.at("pid"),
                        .start_ticks = json.at("start_ticks"),
                        .boot_id = json.at("boot_id")},
            .job_id = json.at("job_id"),
            .attempts = json.at("attempts"),
            .log = json.at("log"),
            .run_folder = json.at("run_folder"),
            .tracker_url = json.at("tracker_url"),
            .step = optional_from<std::int64_t>(json.at("step")),
            .max_steps = json.at("max_steps"),
            .loss = optional_from<double>(json.at("loss")),
            .success_rate = optional_from<double>(json.at("success_rate")),
            .last_update = last_update_of(json)};
  } catch (const nlohmann::json::exception& error) {
    throw Error({.what = std::string("invalid status of a run: ") + error.what()});
  }
}

Json to_json(const std::vector<RunStatus>& rows) {
  Json list = Json::array();
  for (const RunStatus& row : rows) list.push_back(to_json(row));
  return list;
}

std::vector<RunStatus> run_statuses_from(const Json& json) {
  std::vector<RunStatus> rows;
  for (const Json& row : json) rows.push_back(run_status_from(row));
  return rows;
}

RunStatus* find_run(std::vector<RunStatus>& rows, const std::string& name) {
  return const_cast<RunStatus*>(find_run(std::as_const(rows), name));
}

const RunStatus* find_run(const std::vector<RunStatus>& rows, const std::string& name) {
  const auto found = std::find_if(rows.begin(), rows.end(),
                                  [&](const RunStatus& row) { return row.name == name; });
  return found == rows.end() ? nullptr : &*found;
}

Json read_json(const std::filesystem::path& file) {
  const Json json = Json::parse(read_text(file), nullptr, /*allow_exceptions=*/false);
  if (!json.is_discarded()) return json;
  throw Error({.what = "not JSON", .where = file.string(), .next = "fix or remove the file"});
}

}  // namespace roboimi
