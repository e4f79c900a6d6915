// Several runs started by one command, one after another: `roboimi run --multirun seed=0,1,2`.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace roboimi::app {

struct SweepJob {
  std::vector<std::string> overrides;
  std::string suffix;  // "_seed1": the values that differ between the jobs, for the run's name
};

// The jobs of `a=1,2 b=x,y`, in order: every combination.
std::vector<SweepJob> sweep_jobs(const std::vector<std::string>& overrides);

// Runs all jobs. A job that fails is reported on stderr, and the others still run. Returns the exit
// status: success if all jobs succeeded. An interruption ends the sweep with the status of
// interruptions.
int run_jobs(const std::vector<SweepJob>& jobs, const std::function<int(const SweepJob&)>& run_one);

}  // namespace roboimi::app
