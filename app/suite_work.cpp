// roboimi suite work: serves a work folder on the machine where it lies.
//
//   roboimi suite work supervise FOLDER         runs its queue
//   roboimi suite work start|stop FOLDER RUN..  asks its supervisor for that, starting one
//   roboimi suite work observe FOLDER           the runs' states, as JSON
//   roboimi suite work batch FOLDER SUBMISSION  a task of a Slurm array: one run, to its end
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>

#include "app/suite_command.h"
#include "roboimi/common/error.h"
#include "roboimi/common/json_text.h"
#include "suite/batch_job.h"
#include "suite/supervisor.h"

namespace roboimi::app {

int suite_work(const SuiteArguments& arguments) {
  const std::string& what = arguments.suite;
  if (arguments.names.empty()) {
    throw Error({.what = "no work folder named",
                 .expected = "roboimi suite work supervise|start|stop|observe|batch FOLDER"});
  }
  const WorkFolder folder(std::filesystem::absolute(arguments.names[0]));
  const std::vector<std::string> runs(arguments.names.begin() + 1, arguments.names.end());
  if (what == "supervise") {
    supervise(folder);
  } else if (what == "start" || what == "stop") {
    request_work(folder, what, runs);
  } else if (what == "observe") {
    std::cout << json_text(to_json(observe_work(folder)), -1) << std::endl;
  } else if (what == "batch" && runs.size() == 1) {
    const char* task = std::getenv("SLURM_ARRAY_TASK_ID");
    if (task == nullptr) throw Error("suite work batch: Slurm has not set SLURM_ARRAY_TASK_ID");
    return run_batch_job(folder, std::stoul(runs[0]), std::stoul(task));
  } else {
    throw Error({.what = "unknown command 'suite work " + what + "'",
                 .expected = "one of supervise, start, stop, observe, batch"});
  }
  return EXIT_SUCCESS;
}

}  // namespace roboimi::app
