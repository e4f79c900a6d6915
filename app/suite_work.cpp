// roboimi suite work: serves a work folder on the machine where it lies.
//
//   roboimi suite work supervise FOLDER         runs its queue
//   roboimi suite work start|stop FOLDER RUN..  asks its supervisor for that, starting one
//   roboimi suite work observe FOLDER           the runs' states, as JSON
#include <spdlog/spdlog.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "app/suite_command.h"
#include "roboimi/common/error.h"
#include "roboimi/suite/supervisor.h"

namespace roboimi::app {

int suite_work(const SuiteArguments& arguments) {
  const std::string& what = arguments.suite;
  if (arguments.names.empty()) {
    throw Error({.what = "no work folder named",
                 .expected = "roboimi suite work supervise|start|stop|observe FOLDER"});
  }
  const WorkFolder folder(std::filesystem::absolute(arguments.names[0]));
  const std::vector<std::string> runs(arguments.names.begin() + 1, arguments.names.end());
  if (what == "supervise") {
    supervise(folder);
  } else if (what == "start" || what == "stop") {
    request_work(folder, what, runs);
  } else if (what == "observe") {
    std::cout << to_json(observe_work(folder)).dump() << std::endl;
  } else {
    throw Error({.what = "unknown command 'suite work " + what + "'",
                 .expected = "one of supervise, start, stop, observe"});
  }
  return EXIT_SUCCESS;
}

}  // namespace roboimi::app
