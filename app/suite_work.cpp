// The command `roboimi suite work`, which manages a work folder on the machine of that folder.
//
//   roboimi suite work supervise FOLDER         runs the jobs of its queue
//   roboimi suite work start|stop FOLDER RUN..  requests this of its supervisor, starting one
//   roboimi suite work observe FOLDER           prints the states of the runs as JSON
//   roboimi suite work batch FOLDER SUBMISSION  runs one task of a Slurm array to its end
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
    throw Error({.what = "no work folder given",
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
