// The supervisor of a work folder: runs its jobs, one per slot, until none is left.
//
//   supervise(WorkFolder(folder));   // as `roboimi suite work supervise FOLDER` does
//
// Returns immediately if the folder already has a supervisor. Runs are processes in their own
// sessions: they continue if the supervisor is killed, and the next one takes them over. A run that
// is asked to stop receives one SIGINT, finishes its step and writes a checkpoint. With trials,
// every slot first trains a few steps of a job; if a trial fails, no training is started.
#pragma once

#include "roboimi/common/export.h"
#include "suite/work_folder.h"

namespace roboimi {

ROBOIMI_EXPORT void supervise(const WorkFolder& folder);

}  // namespace roboimi
