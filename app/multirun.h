// Several runs by one command, one after another: `roboimi run --multirun seed=0,1,2`.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace roboimi::app {

struct SweepJob {
  std::vector<std::string> overrides;
  std::string suffix;  // of the run's name: "_seed1", from what differs between the jobs
};

// The jobs of `a=1,2 b=x,y`, in order: every combination.
std::vector<SweepJob> sweep_jobs(const std::vector<std::string>& overrides);

// Runs all; one that fails does not keep the others from running, and is reported on stderr. The
// exit status: success when all succeeded. An interruption ends it with its status.
int run_jobs(const std::vector<SweepJob>& jobs, const std::function<int(const SweepJob&)>& run_one);

}  // namespace roboimi::app
