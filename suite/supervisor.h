// Runs the jobs of a work folder on its slots, one a slot, until none is left.
//
//   supervise(WorkFolder(folder));   // what `roboimi suite work supervise FOLDER` does
//
// Returns when the folder has a supervisor already. Runs are processes in sessions of their
// own: they go on when the supervisor is killed, and the next one takes them over. A run that is
// asked to stop gets one SIGINT, finishes its step and writes a checkpoint. With queue.smoke every
// slot first trains a few steps of a job; if one of these trials fails, nothing long is started.
#pragma once

#include "roboimi/common/export.h"
#include "suite/work_folder.h"

namespace roboimi {

ROBOIMI_EXPORT void supervise(const WorkFolder& folder);

}  // namespace roboimi
