#include "suite/work_rows.h"

#include <algorithm>

#include "roboimi/common/error.h"
#include "roboimi/common/log.h"
#include "roboimi/common/origin.h"
#include "suite/records.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

}  // namespace

WorkRows::WorkRows(const WorkFolder& folder)
    : folder_(folder), queue_(folder.read_queue()), rows_(folder.read_state()) {}

void WorkRows::take_requests(const std::function<void(RunStatus&)>& interrupt) {
  std::set<fs::path> asked;
  for (const fs::path& file : folder_.request_files()) {
    if (!taken_.contains(file)) asked.insert(file);
  }
  if (asked.empty()) return;
  queue_ = folder_.read_queue();
  for (const WorkJob& job : queue_.jobs) {
    if (asked.contains(folder_.request("start", job.name))) take_start(job);
    if (asked.contains(folder_.request("stop", job.name))) take_stop(job, interrupt);
  }
  fail_without_slot();
  taken_.merge(asked);
  touch();
}

void WorkRows::take_start(const WorkJob& job) {
  RunStatus* known = find_run(rows_, job.name);
  if (known == nullptr) {
    rows_.push_back({.name = job.name, .target = queue_.target});
    known = &rows_.back();
  } else if (known->is_active() || known->state == RunState::kFinished) {
    return;  // already started or done
  }
  known->state = RunState::kQueued;
  known->text.clear();
  known->asked_to_stop = false;
  known->slot.clear();
  known->max_steps = job.max_steps;
  known->log = folder_.log(job.name).string();
  known->last_update = time_now();
}

void WorkRows::take_stop(const WorkJob& job, const std::function<void(RunStatus&)>& interrupt) {
  RunStatus* known = find_run(rows_, job.name);
  if (known == nullptr || !known->is_active()) return;
  if (known->state == RunState::kQueued) {
    known->state = RunState::kStopped;
    known->text = "stopped before it started";
  } else if (!known->asked_to_stop) {
    known->asked_to_stop = true;
    known->text = "asked to stop: it finishes its step and writes a checkpoint";
    interrupt(*known);
  }
}

// A slot may disappear if the suite's GPUs are changed and it is launched again.
void WorkRows::fail_without_slot() {
  for (const WorkJob& job : queue_.jobs) {
    RunStatus* waiting = find_run(rows_, job.name);
    if (!job.gpu || waiting == nullptr || waiting->state != RunState::kQueued) continue;
    const bool has_slot = std::any_of(queue_.slots.begin(), queue_.slots.end(),
                                      [&](const WorkSlot& slot) { return slot.gpu == job.gpu; });
    if (has_slot) continue;
    waiting->state = RunState::kFailed;
    waiting->text = "not started: the target no longer has GPU " + std::to_string(*job.gpu);
  }
}

const WorkJob* WorkRows::next_job(const WorkSlot& slot,
                                  const std::vector<std::string>& excluded) const {
  for (const WorkJob& job : queue_.jobs) {
    if (job.gpu && job.gpu != slot.gpu) continue;
    const RunStatus* row = find_run(rows_, job.name);
    if (row == nullptr || row->state != RunState::kQueued) continue;
    if (std::find(excluded.begin(), excluded.end(), job.name) == excluded.end()) {
      return &job;
    }
  }
  return nullptr;
}

bool WorkRows::is_untried(const WorkJob& job) const {
  const RunStatus* row = find_run(rows_, job.name);
  return job.smoke && row != nullptr && row->attempts == 0;
}

void WorkRows::give_up_untried(const std::string& failed_trial) {
  for (const WorkJob& job : queue_.jobs) {
    RunStatus* waiting = find_run(rows_, job.name);
    if (waiting == nullptr || waiting->state != RunState::kQueued || !is_untried(job)) continue;
    waiting->state = RunState::kFailed;
    waiting->text = "not started: the trial of " + failed_trial + " failed";
  }
  touch();
}

void WorkRows::set_text(const std::string& name, const std::string& text) {
  if (row(name).text == text) return;
  row(name).text = text;
  touch();
}

bool WorkRows::has_work() const {
  return changed_ || std::any_of(rows_.begin(), rows_.end(),
                                 [](const RunStatus& row) { return row.is_active(); });
}

void WorkRows::save() {
  if (!changed_) return;
  try {
    folder_.write_state(rows_);
  } catch (const std::exception& error) {
    warn("the state was not written: " + one_line_message(error));
    return;
  }
  changed_ = false;
  std::error_code ignored;  // a remaining request is already applied
  for (const fs::path& file : taken_) fs::remove(file, ignored);
  taken_.clear();
  if (queue_.suite_folder.empty()) return;
  try {
    update_records(queue_.suite_folder, queue_.target, rows_);
  } catch (const std::exception& error) {
    // The runs continue without updated records.
    warn("the suite's records were not updated: " + one_line_message(error));
  }
}

// Logs a warning once, because the operation is repeated soon.
void WorkRows::warn(const std::string& message) {
  if (message != warning_) logger().warn("{}", message);
  warning_ = message;
}

}  // namespace roboimi
