// The command `roboimi run`, which trains a policy.
#include <boost/program_options.hpp>
#include <iostream>

#include "app/commands.h"
#include "app/common_options.h"
#include "app/config_argument.h"
#include "app/missing_data.h"
#include "app/multirun.h"
#include "roboimi/checkpoint/recorded_plugins.h"
#include "roboimi/common/error.h"
#include "roboimi/common/paths.h"
#include "roboimi/plugin/registry.h"
#include "roboimi/train/experiment.h"
#include "roboimi/train/preflight.h"
#include "roboimi/train/run_folder.h"

namespace roboimi::app {
namespace {

namespace fs = std::filesystem;
namespace po = boost::program_options;

constexpr const char* kRunUsage =
    "usage: roboimi run [--config] CONFIG [KEY=VALUE ...] [options]\n"
    "       roboimi run --resume RUN_DIR\n\n"
    "Trains a policy. Checkpoints, metrics and rollouts are written to a new folder in "
    "output_dir.\n"
    "KEY=VALUE overrides a key of the config; roboimi config explain CONFIG lists the keys.\n\n"
    "Examples:\n"
    "  roboimi run --config lewm_imf_attnres.yaml size=small train.max_steps=400\n"
    "  roboimi run --config lewm_imf_attnres.yaml agent/backbone=resnet18\n"
    "  roboimi run --config lewm_imf_attnres.yaml --dry-run\n"
    "  roboimi run --config lewm_imf_attnres.yaml --multirun seed=0,1,2\n"
    "  roboimi run --resume runs/20260102_030405_lewm_imf_attnres\n"
    "  mpirun -np 4 roboimi run --config lewm_pretrain.yaml communicator=mpi\n\n"
    "Ctrl-C finishes the current step, writes a checkpoint and exits with status 130.\n\n";

po::options_description run_options() {
  po::options_description options("options");
  options.add_options()("config,c", po::value<std::string>()->value_name("CONFIG"),
                        "config of the experiment, by path or name")(
      "resume", po::value<std::string>()->implicit_value("")->value_name("RUN_DIR"),
      "resume this run bit-exactly; without RUN_DIR: the newest run of the config's name")(
      "config-dir", po::value<std::vector<std::string>>()->value_name("DIR")->composing(),
      "another folder of configs; may be repeated")(
      "plugin-path", po::value<std::vector<std::string>>()->value_name("DIR")->composing(),
      "another folder of plugins; may be repeated")(
      "trust-plugins", po::bool_switch(),
      "also open plugin libraries that the run's config names but run.json does not record")(
      "multirun,m", po::bool_switch(),
      "run all combinations of comma-separated values (seed=0,1,2), one after another")(
      "dry-run", po::bool_switch(),
      "check everything, print the numbers of parameters and windows, the disk space and the run "
      "folder, and write nothing")("help,h", "print this help");
  return options;
}

// Returns the config that the arguments name, or the one saved in the folder of a resumed run.
ComposedConfig config_of(const po::variables_map& values, const std::vector<std::string>& overrides,
                         const fs::path& resume) {
  const auto dirs = paths_of(values, "config-dir");
  if (values.count("config") != 0) {
    return compose_training(values["config"].as<std::string>(), overrides, dirs);
  }
  if (!fs::exists(resume / "config.yaml")) {
    throw Error({.what = "no run to resume",
                 .where = resume.string(),
                 .expected = "a run folder, which contains config.yaml",
                 .found = fs::exists(resume) ? "a folder without config.yaml" : "no such folder"});
  }
  return compose_experiment((resume / "config.yaml").string(), overrides, dirs);
}

// Gives each run of a sweep a different name.
void add_to_name(ConfigNode& root, const std::string& suffix) {
  if (suffix.empty()) return;
  const std::string name = experiment_options(root).text("name");
  root.set("name", ConfigNode::scalar(name + suffix, {.file = "command line"}, /*quoted=*/true));
}

// `roboimi run RUN_DIR` may mean to resume the run, or to start it anew.
void refuse_run_folder(const po::variables_map& values) {
  const fs::path config = values["config"].as<std::string>();
  std::error_code error;
  if (!fs::is_directory(config, error)) return;
  throw Error({.what = "a folder is not a config",
               .where = config.string(),
               .expected = "a YAML file, by path or name",
               .next = "to resume a run: roboimi run --resume " + shell_word(config.string())});
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
  try {
    return run_experiment(config.root, options);
  } catch (const Error& error) {
    const bool has_both = values.count("config") != 0 && resumes && !resume.empty();
    Error::Parts parts = error.parts();
    parts.next = next_for_missing_data(error, config.root, has_both);
    if (parts.next.empty()) throw;
    throw Error(std::move(parts));
  }
}

}  // namespace

int run_command(const Arguments& arguments) {
  const po::options_description options = run_options();
  ParsedArguments parsed = parse_arguments(arguments, options);
  if (parsed.values.count("help") != 0) {
    std::cout << kRunUsage << options;
    return EXIT_SUCCESS;
  }
  // Check that the arguments name one run or sweep.
  const bool names_run =
      parsed.values.count("resume") != 0 && !parsed.values["resume"].as<std::string>().empty();
  if (!names_run) take_positional(parsed, "config");
  if (parsed.values.count("config") == 0 && !names_run && parsed.values.count("resume") != 0) {
    throw Error({.what = "--resume names neither a run nor a config",
                 .expected = "--resume RUN_DIR, or --config CONFIG --resume for the newest run of "
                             "the config's name",
                 .next = "see roboimi run --help"});
  }
  if (parsed.values.count("config") == 0 && !names_run) {
    throw Error({.what = "no config given",
                 .expected = "roboimi run CONFIG, or --resume RUN_DIR",
                 .next = "see roboimi run --help"});
  }
  if (parsed.values.count("config") != 0) refuse_run_folder(parsed.values);
  if (parsed.values["multirun"].as<bool>() && parsed.values.count("resume") != 0) {
    throw Error(
        {.what = "--multirun cannot be combined with --resume, which continues a single run",
         .expected = "one of the two options",
         .next = "resume each run separately: roboimi run --resume RUN_DIR"});
  }
  // Close the suite's lock on the run in processes that this one starts.
  ::close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
  Registry::instance().load_search_path(paths_of(parsed.values, "plugin-path"));
  const auto run = [&](const SweepJob& job) { return run_one(parsed.values, job, arguments); };
  if (!parsed.values["multirun"].as<bool>()) return run({.overrides = parsed.words, .suffix = {}});
  return run_jobs(sweep_jobs(parsed.words), run);
}

}  // namespace roboimi::app
