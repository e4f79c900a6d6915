// The config files of the jobs in a work folder. Internal to suite.
#pragma once

#include "suite/target.h"
#include "suite/work_folder.h"

namespace roboimi {

// Writes config.yaml and, if smoke_steps > 0, smoke.yaml into `folder`. Their output folders are
// below `there`, the path of `folder` on the run's machine. Overrides are in these files, so no
// shell has to quote them. Throws Error if the config has no train.max_steps.
WorkJob write_job(const WorkFolder& folder, const WorkFolder& there, const LaunchJob& job,
                  std::int64_t threads, std::int64_t smoke_steps);

// The slots of the target; none on Slurm, which schedules by itself.
std::vector<WorkSlot> slots_of(const TargetSpec& spec);

// Writes the queue and the jobs' files for runs on this machine or on nodes that share its file
// system. Returns the jobs' names. `suite_folder` is an absolute path.
std::vector<std::string> write_queue_here(const WorkFolder& folder, const TargetSpec& spec,
                                          const std::filesystem::path& suite_folder,
                                          const LaunchOrder& order);

// The jobs of the folder's queue, if it has one; `jobs` replace those of the same names.
std::vector<WorkJob> merged_jobs(const WorkFolder& folder, const std::vector<WorkJob>& jobs);

}  // namespace roboimi
