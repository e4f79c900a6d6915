// The `roboimi` program: finds the subcommand, and turns every exception into one line and a
// status.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string_view>

#include "app/commands.h"
#include "roboimi/common/error.h"
#include "roboimi/common/log.h"
#include "roboimi/common/memory.h"
#include "roboimi/config/schema.h"

namespace roboimi::app {
namespace {

struct Command {
  const char* name;
  const char* summary;
  int (*function)(const Arguments&);
};

const std::vector<Command>& commands() {
  static const std::vector<Command> all = {
      {"run", "train a policy, with rollouts", run_command},
      {"eval", "roll out a checkpoint and report success", eval_command},
      {"collect", "record demonstrations by a scripted expert", collect_command},
      {"encode", "write the embeddings of a dataset", encode_command},
      {"checkpoint", "inspect or convert a file of weights", checkpoint_command},
      {"config", "show what a config resolves to, explain its keys", config_command},
      {"plugins", "list, inspect or check plugins", plugins_command},
      {"suite", "launch, follow and report many runs", suite_command},
      {"doctor", "say whether this machine is ready", doctor_command},
  };
  return all;
}

void print_usage() {
  std::printf("roboimi %s: trains, evaluates and deploys visuomotor robot policies\n\n",
              ROBOIMI_VERSION);
  std::printf("usage: roboimi COMMAND [options]\n\n");
  for (const Command& command : commands()) {
    std::printf("  %-12s %s\n", command.name, command.summary);
  }
  std::printf("\nexample: roboimi run --config lewm_imf_attnres.yaml size=small\n");
  std::printf("         roboimi COMMAND --help\n");
}

int dispatch(const std::string& name, const Arguments& arguments) {
  if (name == "--help" || name == "-h" || name == "help") {
    print_usage();
    return EXIT_SUCCESS;
  }
  if (name == "--version") {
    std::printf("roboimi %s\n", ROBOIMI_VERSION);
    return EXIT_SUCCESS;
  }
  std::vector<std::string> names;
  for (const Command& command : commands()) {
    if (name == command.name) return command.function(arguments);
    names.emplace_back(command.name);
  }
  const auto near = nearest_name(name, names);
  throw Error({.what = "unknown command '" + name + "'",
               .next = near ? "did you mean 'roboimi " + *near + "'?" : "see roboimi --help"});
}

}  // namespace
}  // namespace roboimi::app

int main(int argc, char** argv) {
  // Writing past a file size limit is reported by write() instead of ending the process.
  std::signal(SIGXFSZ, SIG_IGN);
  roboimi::keep_freed_memory();
  // Standard output is for results, which another program may read.
  spdlog::set_default_logger(roboimi::shared_logger());
  spdlog::set_pattern("%H:%M:%S %^%l%$ %v");
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.empty()) {
    roboimi::app::print_usage();
    return EXIT_FAILURE;
  }
  try {
    const int status = roboimi::app::dispatch(words[0], {words.begin() + 1, words.end()});
    std::cout.flush();
    return status;
  } catch (const std::exception& error) {
    std::cout.flush();
    // In one piece: several processes of a training may fail at once, into one stream.
    const std::string line = "roboimi " + words[0] + ": " + roboimi::one_line_message(error) + "\n";
    std::cerr << line << std::flush;
    return EXIT_FAILURE;
  }
}
