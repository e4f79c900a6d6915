// A run as a job of a batch system, and the records of submissions. The work folder (work_folder.h)
// is on a file system shared by all nodes. Instead of a supervisor, the batch system starts
//
//   roboimi suite work batch FOLDER SUBMISSION     with SLURM_ARRAY_TASK_ID
//
// This runs the training or trial to its end, and updates the run's row in jobs/NAME/batch.json or
// trial.json. SIGINT and SIGTERM are forwarded to the run as one SIGINT, so that it writes a
// checkpoint. A requeued job continues from the last checkpoint.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "suite/work_folder.h"

namespace roboimi {

struct Submission {
  std::string job_id;  // of the array; empty before submission
  bool trial = false;
  std::vector<std::string> names;  // of its tasks, in order
};

// The submissions in FOLDER/submissions.json, oldest first.
ROBOIMI_EXPORT std::vector<Submission> read_submissions(const WorkFolder& folder);
ROBOIMI_EXPORT void write_submissions(const WorkFolder& folder,
                                      const std::vector<Submission>& submissions);

// The row written by the job of a training, or of a trial; empty before the job has started.
ROBOIMI_EXPORT std::optional<RunStatus> read_job_row(const WorkFolder& folder,
                                                     const std::string& name, bool trial);
ROBOIMI_EXPORT void write_job_row(const WorkFolder& folder, const RunStatus& row, bool trial);

// Runs task `task` of submission `submission` and returns its exit status. If it cannot be started,
// throws Error and writes the reason into the run's row.
ROBOIMI_EXPORT int run_batch_job(const WorkFolder& folder, std::size_t submission,
                                 std::size_t task);

}  // namespace roboimi
