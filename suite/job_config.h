// The configuration files of a job in a work folder. Internal to suite.
#pragma once

#include "suite/target.h"
#include "suite/work_folder.h"

namespace roboimi {

// Writes config.yaml, and with smoke_steps smoke.yaml, into `folder`; they name output folders
// below `there`, which is `folder` as the run's machine sees it. Overrides are in these files: no
// command line and no shell ever carries them. Error when the config has no train.max_steps.
WorkJob write_job(const WorkFolder& folder, const WorkFolder& there, const LaunchJob& job,
                  std::int64_t threads, std::int64_t smoke_steps);

// The slots that the target's options give; none on Slurm, which has its own.
std::vector<WorkSlot> slots_of(const TargetSpec& spec);

// Writes the queue and the jobs' files for runs on this machine or on nodes that share its files;
// returns the jobs' names. `suite_folder` is absolute.
std::vector<std::string> write_queue_here(const WorkFolder& folder, const TargetSpec& spec,
                                          const std::filesystem::path& suite_folder,
                                          const LaunchOrder& order);

// The jobs of the folder's queue, if it has one, with these in place of those of their names.
std::vector<WorkJob> merged_jobs(const WorkFolder& folder, const std::vector<WorkJob>& jobs);

}  // namespace roboimi
