// The `roboimi` program: runs a subcommand, and turns every exception into one line on stderr and a
// nonzero exit status.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>

#include "app/commands.h"
#include "roboimi/common/error.h"
#include "roboimi/common/log.h"
#include "roboimi/common/memory.h"
#include "roboimi/common/text.h"
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
      {"run", "train a policy and evaluate it in rollouts", run_command},
      {"eval", "evaluate a checkpoint and report its success rate", eval_command},
      {"collect", "record demonstrations of a scripted expert", collect_command},
      {"data", "show, convert or play a dataset", data_command},
      {"encode", "write the embeddings of a dataset", encode_command},
      {"checkpoint", "inspect, convert or verify files of weights", checkpoint_command},
      {"config", "show a resolved config, explain its keys", config_command},
      {"plugins", "list, inspect or check plugins", plugins_command},
      {"suite", "launch, monitor and report many runs", suite_command},
      {"cache", "list or remove cached frames and features", cache_command},
      {"doctor", "check whether this machine is ready", doctor_command},
  };
  return all;
}

void print_usage() {
  std::printf("roboimi %s: train, evaluate and deploy camera-based robot policies\n\n",
              ROBOIMI_VERSION);
  std::printf("usage: roboimi COMMAND [options]\n\n");
  for (const Command& command : commands()) {
    std::printf("  %-12s %s\n", command.name, command.summary);
  }
  std::printf("\nexample: roboimi run --config lewm_imf_attnres.yaml size=small\n");
  std::printf("         roboimi COMMAND --help\n");
}

// "roboimi run" for an error of that command, "roboimi" for one about the command itself.
std::string program_name(const std::string& command) {
  const bool is_known =
      std::ranges::any_of(commands(), [&](const Command& known) { return command == known.name; });
  return is_known ? "roboimi " + command : "roboimi";
}

// The command that `name` probably means, or an empty string: a misspelled command, or one as other
// programs call it.
std::string similar_command(const std::string& name, std::vector<std::string> names) {
  const std::map<std::string, std::string> other_names = {
      {"train", "run"},    {"evaluate", "eval"}, {"record", "collect"},
      {"embed", "encode"}, {"launch", "suite"},  {"convert", "checkpoint"},
      {"play", "data"},    {"stats", "data"},    {"prune", "cache"}};
  for (const auto& [other, command] : other_names) names.push_back(other);
  const auto near = nearest_name(name, names);
  if (!near) return "";
  const auto other = other_names.find(*near);
  return other == other_names.end() ? *near : other->second;
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
  std::string all;
  for (const Command& command : commands()) {
    if (name == command.name) return command.function(arguments);
    names.emplace_back(command.name);
    all += (all.empty() ? "" : ", ") + names.back();
  }
  const std::string near = similar_command(name, names);
  throw Error(
      {.what = "unknown command '" + name + "'",
       .expected = "one of " + all,
       .next = near.empty() ? "see roboimi --help" : "did you mean 'roboimi " + near + "'?"});
}

}  // namespace
}  // namespace roboimi::app

int main(int argc, char** argv) {
  // Without this, writing past a file size limit ends the process; now write() reports an error.
  std::signal(SIGXFSZ, SIG_IGN);
  roboimi::keep_freed_memory();
  // Log to stderr: standard output is for results, which another program may read.
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
    // Write the line in one piece: several processes of a training may fail at the same time.
    // Names in it may come from anyone's files.
    constexpr std::size_t kLongest = 100'000;
    const std::string line =
        roboimi::app::program_name(words[0]) + ": " + roboimi::one_line_message(error);
    std::cerr << roboimi::printable(line, kLongest) + "\n" << std::flush;
    return EXIT_FAILURE;
  }
}
