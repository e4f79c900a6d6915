// One run as a job of a batch system, and what is kept of its submission. The work folder is the
// one of work_folder.h, on a file system that all nodes see; instead of a supervisor the batch
// system starts
//
//   roboimi suite work batch FOLDER SUBMISSION     with SLURM_ARRAY_TASK_ID
//
// which runs its training or trial to the end and keeps the run's row in jobs/NAME/batch.json or
// trial.json. SIGINT and SIGTERM reach the run as one SIGINT: it writes a checkpoint. A job that is
// queued again continues from the last one.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "suite/work_folder.h"

namespace roboimi {

struct Submission {
  std::string job_id;  // of the array; empty before it was submitted
  bool trial = false;
  std::vector<std::string> names;  // of its tasks, in order
};

// FOLDER/submissions.json, in the order in which they were made.
ROBOIMI_EXPORT std::vector<Submission> read_submissions(const WorkFolder& folder);
ROBOIMI_EXPORT void write_submissions(const WorkFolder& folder,
                                      const std::vector<Submission>& submissions);

// The row that the job of a training, or of a trial, has written; none before it began.
ROBOIMI_EXPORT std::optional<RunStatus> read_job_row(const WorkFolder& folder,
                                                     const std::string& name, bool trial);
ROBOIMI_EXPORT void write_job_row(const WorkFolder& folder, const RunStatus& row, bool trial);

// Runs task `task` of submission `submission`; returns its exit status. What keeps it from starting
// is in its row, too.
ROBOIMI_EXPORT int run_batch_job(const WorkFolder& folder, std::size_t submission,
                                 std::size_t task);

}  // namespace roboimi
