// The command `roboimi suite`, which launches, monitors and reports many runs.
#include "app/suite_command.h"

#include <fmt/format.h>

#include <iostream>

#include "app/commands.h"
#include "roboimi/common/error.h"
#include "roboimi/config/schema.h"

namespace roboimi::app {
namespace {

constexpr const char* kSuiteUsage =
    "usage: roboimi suite launch SUITE [RUN ...] [--smoke N]   start all runs that have not begun\n"
    "       roboimi suite status SUITE [RUN ...] [--json]      show the state of every run\n"
    "       roboimi suite stop   SUITE [RUN ...]               save a checkpoint and stop\n"
    "       roboimi suite resume SUITE [RUN ...]               resume runs that were stopped, "
    "failed\n"
    "                                                          or lost\n"
    "       roboimi suite fetch  SUITE [--checkpoints]         copy results from remote machines\n"
    "       roboimi suite report SUITE [--output FILE]         write an HTML report\n\n"
    "SUITE is the file of a suite, or the folder with its suite.yaml; see docs/suites.md.\n"
    "Runs continue if the terminal is closed. manifest.json, status.json and notes.md are written\n"
    "next to the suite's file.\n\n"
    "Examples:\n"
    "  roboimi suite launch experiment_suites/2026-04-05-lewm-vit-transfer --smoke 2\n"
    "  roboimi suite status experiment_suites/2026-04-05-lewm-vit-transfer\n"
    "  roboimi suite stop experiment_suites/2026-04-05-lewm-vit-transfer n_emb_256_seed0\n\n";

struct Action {
  const char* name;
  int (*function)(const SuiteArguments&);
};

// `work` is internal: the other commands run it on the machine of a work folder.
constexpr Action kActions[] = {{"launch", suite_launch}, {"status", suite_status},
                               {"stop", suite_stop},     {"resume", suite_resume},
                               {"fetch", suite_fetch},   {"report", suite_report_page},
                               {"work", suite_work}};

boost::program_options::options_description suite_options() {
  namespace po = boost::program_options;
  po::options_description options("options");
  options.add_options()("smoke", po::value<std::int64_t>()->default_value(0)->value_name("N"),
                        "launch: first train N steps on each slot, and start no run if that fails")(
      "json", po::bool_switch(), "status: print JSON")("checkpoints", po::bool_switch(),
                                                       "fetch: also copy checkpoints")(
      "output", po::value<std::string>()->value_name("FILE"),
      "report: the file to write; default: report.html next to the suite's file")(
      "once", po::bool_switch(), "status: print the table once, even on a terminal")(
      "config-dir", po::value<std::vector<std::string>>()->value_name("DIR")->composing(),
      "launch: another folder of configs; may be repeated")(
      "plugin-path", po::value<std::vector<std::string>>()->value_name("DIR")->composing(),
      "launch: another folder of plugins; may be repeated")("help,h", "print this help");
  return options;
}

}  // namespace

int suite_command(const Arguments& arguments) {
  const auto options = suite_options();
  ParsedArguments parsed = parse_arguments(arguments, options);
  if (parsed.values.count("help") != 0) {
    std::cout << kSuiteUsage << options;
    return EXIT_SUCCESS;
  }
  std::vector<std::string> names;
  std::string all;
  for (const Action& action : kActions) {
    if (!parsed.words.empty() && parsed.words[0] == action.name) {
      if (parsed.words.size() < 2) {
        throw Error({.what = fmt::format("suite {}: no suite given", action.name),
                     .expected = fmt::format("roboimi suite {} SUITE", action.name)});
      }
      return action.function({.suite = parsed.words[1],
                              .names = {parsed.words.begin() + 2, parsed.words.end()},
                              .values = parsed.values,
                              .command = arguments});
    }
    names.emplace_back(action.name);
    all += (all.empty() ? "" : ", ") + names.back();
  }
  const std::string given = parsed.words.empty() ? "" : parsed.words[0];
  const auto near = nearest_name(given, names);
  throw Error(
      {.what = given.empty() ? "no command given" : "unknown command 'suite " + given + "'",
       .expected = "one of " + all,
       .next = near ? "did you mean 'roboimi suite " + *near + "'?" : "see roboimi suite --help"});
}

}  // namespace roboimi::app
