// roboimi run: trains.
#include <boost/program_options.hpp>
#include <iostream>

#include "app/commands.h"
#include "app/common_options.h"
#include "app/multirun.h"
#include "roboimi/checkpoint/recorded_plugins.h"
#include "roboimi/common/error.h"
#include "roboimi/plugin/registry.h"
#include "roboimi/train/experiment.h"
#include "roboimi/train/preflight.h"
#include "roboimi/train/run_folder.h"

namespace roboimi::app {
namespace {

namespace fs = std::filesystem;
namespace po = boost::program_options;

constexpr const char* kUsage =
    "usage: roboimi run --config FILE [a.b=c ...] [options]\n"
    "       roboimi run --resume RUN_DIR\n\n"
    "Trains a policy; checkpoints, metrics and rollouts go to a folder under output_dir.\n\n"
    "Examples:\n"
    "  roboimi run --config lewm_imf_attnres.yaml size=small train.max_steps=400\n"
    "  roboimi run --config lewm_imf_attnres.yaml agent/backbone=resnet18\n"
    "  roboimi run --config lewm_imf_attnres.yaml --dry-run\n"
    "  roboimi run --config lewm_imf_attnres.yaml --multirun seed=0,1,2\n"
    "  roboimi run --resume runs/20260102_030405_lewm_imf_attnres\n"
    "  mpirun -np 4 roboimi run --config lewm_pretrain.yaml communicator=mpi\n\n"
    "Ctrl-C finishes the step, writes a checkpoint and exits 130.\n\n";

po::options_description described_options() {
  po::options_description options("options");
  options.add_options()("config,c", po::value<std::string>(), "experiment file, by path or name")(
      "resume", po::value<std::string>()->implicit_value(""),
      "continue a run exactly: its folder, or with --config alone the newest of that name")(
      "config-dir", po::value<std::vector<std::string>>()->composing(),
      "more folders with configurations")("plugin-path",
                                          po::value<std::vector<std::string>>()->composing(),
                                          "more folders with plugins")(
      "trust-plugins", po::bool_switch(),
      "open the libraries that a run's configuration names, though the run did not record them")(
      "multirun,m", po::bool_switch(),
      "run all combinations of comma-separated values (seed=0,1,2), one after another")(
      "dry-run", po::bool_switch(),
      "check everything, print parameters, windows, disk and folder, and write nothing")(
      "help,h", "show this text");
  return options;
}

// The configuration of a run: composed, or as its folder has it.
ComposedConfig config_of(const po::variables_map& values, const std::vector<std::string>& overrides,
                         const fs::path& resume) {
  const auto dirs = paths_of(values, "config-dir");
  if (values.count("config") != 0) {
    return compose_experiment(values["config"].as<std::string>(), overrides, dirs);
  }
  if (!fs::exists(resume / "config.yaml")) {
    throw Error({.what = "no run to resume",
                 .where = resume.string(),
                 .expected = "the folder of a run, with its config.yaml",
                 .found = fs::exists(resume) ? "none there" : "nothing of that name"});
  }
  return compose_experiment((resume / "config.yaml").string(), overrides, dirs);
}

// Runs of a sweep are told apart by their names.
void add_to_name(ConfigNode& root, const std::string& suffix) {
  if (suffix.empty()) return;
  const std::string name = experiment_options(root).text("name");
  root.set("name", ConfigNode::scalar(name + suffix, {.file = "command line"}, /*quoted=*/true));
}

int run_one(const po::variables_map& values, const SweepJob& job, const Arguments& arguments) {
  const bool resumes = values.count("resume") != 0;
  fs::path resume = resumes ? values["resume"].as<std::string>() : "";
  if (!resume.empty()) require_run_to_resume(resume);
  ComposedConfig config = config_of(values, job.overrides, resume);
  add_to_name(config.root, job.suffix);
  const bool trusts_plugins = values["trust-plugins"].as<bool>();
  if (values.count("config") != 0) {
    restrict_plugins_of(config, trusts_plugins);
  } else if (!trusts_plugins) {
    restrict_to_recorded_plugins(config.root, resume);
  }
  RunOptions options{.dry_run = values["dry-run"].as<bool>(),
                     .command = {"roboimi", "run"},
                     .choices = config.choices};
  options.command.insert(options.command.end(), arguments.begin(), arguments.end());
  if (resumes) {
    if (resume.empty()) {
      const Options read = experiment_options(config.root);
      resume = newest_run_folder(read.text("output_dir"), read.text("name"));
    }
    options.resume = resume;
  }
  return run_experiment(config.root, options);
}

}  // namespace

int run_command(const Arguments& arguments) {
  const po::options_description options = described_options();
  const ParsedArguments parsed = parse_arguments(arguments, options);
  if (parsed.values.count("help") != 0) {
    std::cout << kUsage << options;
    return EXIT_SUCCESS;
  }
  const bool names_run =
      parsed.values.count("resume") != 0 && !parsed.values["resume"].as<std::string>().empty();
  if (parsed.values.count("config") == 0 && !names_run) {
    throw Error({.what = "no configuration",
                 .expected = "--config FILE, or --resume RUN_DIR",
                 .next = "see roboimi run --help"});
  }
  if (parsed.values["multirun"].as<bool>() && parsed.values.count("resume") != 0) {
    throw Error({.what = "--multirun with --resume: one folder cannot continue several runs",
                 .expected = "one of them",
                 .next = "resume each run by itself: roboimi run --resume RUN_DIR"});
  }
  // A suite's lock on the run is not for the processes that this one starts.
  ::close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
  Registry::instance().load_search_path(paths_of(parsed.values, "plugin-path"));
  const auto run = [&](const SweepJob& job) { return run_one(parsed.values, job, arguments); };
  if (!parsed.values["multirun"].as<bool>()) return run({.overrides = parsed.words, .suffix = {}});
  return run_jobs(sweep_jobs(parsed.words), run);
}

}  // namespace roboimi::app
