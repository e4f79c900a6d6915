// The state of a supervisor: the queue, and one row per run. Internal to suite.
//
//   WorkRows rows(folder);
//   rows.take_requests([](RunStatus& row) { ... });   // start-NAME, stop-NAME
//   if (const WorkJob* next = rows.next_job(slot, {})) rows.row(next->name).state = ...;
//   rows.touch();
//   rows.save();                                      // state.json, and the suite's records
//
// The file of a request is removed after the state that includes it was written, so that a killed
// supervisor loses no request.
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

  // Applies new requests. `interrupt` is called once for each active run that is to stop.
  void take_requests(const std::function<void(RunStatus&)>& interrupt);

  // The first queued job that may run on the slot and is not in `excluded`.
  const WorkJob* next_job(const WorkSlot& slot, const std::vector<std::string>& excluded) const;
  // Whether the job needs a trial before its training.
  bool is_untried(const WorkJob& job) const;
  // After a failed trial no training is started: sets the jobs that wait for their trial to failed.
  void give_up_untried(const std::string& failed_trial);
  void set_text(const std::string& name, const std::string& text);

  // Marks the rows as changed.
  void touch() { changed_ = true; }
  // Writes changed rows. If that fails, for example on a full disk, they stay marked as changed.
  void save();
  // Whether a run is active, or changes are not written yet.
  bool has_work() const;

 private:
  void take_start(const WorkJob& job);
  void take_stop(const WorkJob& job, const std::function<void(RunStatus&)>& interrupt);
  void fail_without_slot();
  void warn(const std::string& message);

  const WorkFolder& folder_;
  WorkQueue queue_;
  std::vector<RunStatus> rows_;
  std::set<std::filesystem::path> taken_;  // applied requests whose files still exist
  std::string warning_;                    // the last warning
  bool changed_ = true;
};
}  // namespace roboimi
