// roboimi suite: launches, follows and reports many runs.
#include "app/suite_command.h"

#include <fmt/format.h>

#include <iostream>

#include "app/commands.h"
#include "roboimi/common/error.h"
#include "roboimi/config/schema.h"

namespace roboimi::app {
namespace {

constexpr const char* kUsage =
    "usage: roboimi suite launch SUITE [RUN ...] [--smoke N]   start what has not begun\n"
    "       roboimi suite status SUITE [RUN ...] [--json]      where every run is\n"
    "       roboimi suite stop   SUITE [RUN ...]               end runs, with a checkpoint first\n"
    "       roboimi suite resume SUITE [RUN ...]               continue what was stopped, failed "
    "or lost\n"
    "       roboimi suite fetch  SUITE [--checkpoints]         bring what other machines made "
    "here\n"
    "       roboimi suite report SUITE [--output FILE]         one page of what came of the "
    "runs\n\n"
    "SUITE is a suite's file, or the folder with its suite.yaml; docs/suites.md tells what is in "
    "it.\n"
    "Runs go on without the terminal. manifest.json, status.json and notes.md are kept beside the "
    "suite.\n\n"
    "Examples:\n"
    "  roboimi suite launch experiment_suites/2026-04-05-lewm-vit-transfer --smoke 2\n"
    "  roboimi suite status experiment_suites/2026-04-05-lewm-vit-transfer\n"
    "  roboimi suite stop experiment_suites/2026-04-05-lewm-vit-transfer n_emb_256_seed0\n\n";

struct Action {
  const char* name;
  int (*function)(const SuiteArguments&);
};

// `work` serves a work folder on the machine where it lies, for the others.
constexpr Action kActions[] = {{"launch", suite_launch}, {"status", suite_status},
                               {"stop", suite_stop},     {"resume", suite_resume},
                               {"fetch", suite_fetch},   {"report", suite_report_page},
                               {"work", suite_work}};

boost::program_options::options_description described_options() {
  namespace po = boost::program_options;
  po::options_description options("options");
  options.add_options()("smoke", po::value<std::int64_t>()->default_value(0),
                        "launch: first train so many steps on each slot; nothing long is started "
                        "when that fails")("json", po::bool_switch(), "status: print JSON")(
      "checkpoints", po::bool_switch(), "fetch: the checkpoints, too")(
      "output", po::value<std::string>(),
      "report: the page; default: report.html beside the suite")(
      "once", po::bool_switch(), "status: print the table once, on a terminal too")(
      "config-dir", po::value<std::vector<std::string>>()->composing(),
      "launch: more folders with configurations")(
      "plugin-path", po::value<std::vector<std::string>>()->composing(),
      "launch: more folders with plugins")("help,h", "show this text");
  return options;
}

}  // namespace

int suite_command(const Arguments& arguments) {
  const auto options = described_options();
  ParsedArguments parsed = parse_arguments(arguments, options);
  if (parsed.values.count("help") != 0) {
    std::cout << kUsage << options;
    return EXIT_SUCCESS;
  }
  std::vector<std::string> names;
  std::string all;
  for (const Action& action : kActions) {
    if (!parsed.words.empty() && parsed.words[0] == action.name) {
      if (parsed.words.size() < 2) {
        throw Error({.what = fmt::format("suite {}: no suite named", action.name),
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
      {.what = given.empty() ? "nothing to do" : "unknown command 'suite " + given + "'",
       .expected = "one of " + all,
       .next = near ? "did you mean 'roboimi suite " + *near + "'?" : "see roboimi suite --help"});
}

}  // namespace roboimi::app
