// What a supervisor knows of its work folder: the queue, and a row a run. Internal to suite.
//
//   WorkRows rows(folder);
//   rows.take_requests([](RunStatus& row) { ... });   // start-NAME, stop-NAME
//   if (const WorkJob* next = rows.next_job(slot, {})) rows.row(next->name).state = ...;
//   rows.touch();
//   rows.save();                                      // state.json, and the suite's records
//
// A request's file is removed once a state with what was asked for is on the disk, so none is lost
// with a supervisor.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "suite/work_folder.h"

namespace roboimi {

class WorkRows {
 public:
  explicit WorkRows(const WorkFolder& folder);

  const WorkQueue& queue() const { return queue_; }
  std::vector<RunStatus>& all() { return rows_; }
  RunStatus& row(const std::string& name) { return *find_run(rows_, name); }

  // Enters new requests. `interrupt` is called once for each run under way that is to stop.
  void take_requests(const std::function<void(RunStatus&)>& interrupt);

  // The first queued job that may run on the slot and is not among `passed_over`.
  const WorkJob* next_job(const WorkSlot& slot, const std::vector<std::string>& passed_over) const;
  // Whether a trial comes before the job's training.
  bool is_untried(const WorkJob& job) const;
  // After a failed trial nothing long is started: what waits for its own trial fails, too.
  void give_up_untried(const std::string& failed_trial);
  void set_text(const std::string& name, const std::string& text);

  // A row was changed.
  void touch() { changed_ = true; }
  // Writes what was changed. What cannot be written now, on a full disk, say, stays changed.
  void save();
  // Whether a run is active, or something is not written yet.
  bool has_work() const;

 private:
  void take_start(const WorkJob& job);
  void take_stop(const WorkJob& job, const std::function<void(RunStatus&)>& interrupt);
  void fail_without_slot();
  void warn(const std::string& message);

  const WorkFolder& folder_;
  WorkQueue queue_;
  std::vector<RunStatus> rows_;
  std::set<std::filesystem::path> taken_;  // requests that are in the rows, with their files there
  std::string warning_;                    // the last one
  bool changed_ = true;
};
}  // namespace roboimi
