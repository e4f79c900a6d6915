// The command `roboimi eval`, which evaluates a checkpoint in rollouts, compares it with
// demonstrations, or probes its representation.
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <iostream>

#include "app/commands.h"
#include "app/common_options.h"
#include "app/config_argument.h"
#include "app/evaluation_output.h"
#include "app/interruptible.h"
#include "app/open_loop_command.h"
#include "app/probe_command.h"
#include "roboimi/checkpoint/checkpoint.h"
#include "roboimi/checkpoint/checkpoint_folder.h"
#include "roboimi/checkpoint/loaded_run.h"
#include "roboimi/common/error.h"
#include "roboimi/common/hash.h"
#include "roboimi/common/paths.h"
#include "roboimi/common/worker_processes.h"
#include "roboimi/contract/environment.h"
#include "roboimi/plugin/registry.h"
#include "roboimi/rollout/controls.h"
#include "roboimi/rollout/fit.h"
#include "roboimi/rollout/rollout.h"
#include "roboimi/track/progress.h"
#include "roboimi/train/run_folder.h"
#include "roboimi/train/stop_request.h"

namespace roboimi::app {
namespace {

namespace fs = std::filesystem;
namespace po = boost::program_options;

constexpr const char* kEvalUsage =
    "usage: roboimi eval [--checkpoint] DIR [KEY=VALUE ...] [options]\n"
    "       roboimi eval --open-loop [--checkpoint] DIR [KEY=VALUE ...] [options]\n"
    "       roboimi eval --probe (--checkpoint DIR | --config CONFIG [KEY=VALUE ...]) [options]\n\n"
    "Runs a trained policy in its environment and reports its success rate. DIR is a run folder\n"
    "(its newest checkpoint), checkpoints/step_NNNNNNNN, checkpoints/latest or checkpoints/best.\n"
    "Overrides change how the policy acts (agent.latency_steps, agent.ensemble_decay,\n"
    "agent.head.num_inference_steps), not its weights. The results depend on the checkpoint, the\n"
    "seeds and the overrides, not on --workers.\n\n"
    "--open-loop replays the recorded observations, and reports action error and roughness. This\n"
    "measures fit without compounding error. It uses the episodes that training held out\n"
    "(train.held_out_episodes), or all if there are none.\n\n"
    "--probe fits linear probes to the representation of the data's frames, and reports how well\n"
    "they predict the state on held-out episodes. --config probes weights before training.\n\n"
    "Examples:\n"
    "  roboimi eval --checkpoint runs/20260102_030405_demo --episodes 100 --seed 1000\n"
    "  roboimi eval --checkpoint runs/20260102_030405_demo/checkpoints/best --control black\n"
    "  roboimi eval --checkpoint runs/20260102_030405_demo agent.head.num_inference_steps=2\n"
    "  roboimi eval --open-loop --checkpoint runs/20260102_030405_demo --data data/other\n"
    "  roboimi eval --probe --config lewm_imf_attnres.yaml agent.backbone.checkpoint=lewm.ckpt\n\n";

po::options_description eval_options() {
  po::options_description options("options");
  options.add_options()("checkpoint", po::value<std::string>()->value_name("DIR"),
                        "run or checkpoint to evaluate")(
      "episodes", po::value<std::int64_t>()->default_value(100), "number of episodes")(
      "seed", po::value<std::int64_t>()->default_value(1000), "seed of the first episode")(
      "video", po::value<std::int64_t>()->default_value(10),
      "number of episodes, from the first, to record as MP4")(
      "workers", po::value<std::int64_t>(),
      "number of processes that share the episodes; default: one per core, or one on a GPU")(
      "together", po::value<std::int64_t>()->default_value(1),
      "number of episodes that one process runs at a time; their action chunks are sampled as one "
      "batch")("control", po::value<std::string>()->default_value("none"),
               "baseline to run instead of the policy's normal input: hold_pose (no policy), black "
               "(black images), shuffled (images of another episode)")(
      "output", po::value<std::string>()->value_name("DIR"),
      "folder of the summary, images and videos; default: RUN/evaluations/...")(
      "json", po::bool_switch(), "print the summary as JSON")(
      "probe", po::bool_switch(), "fit linear probes instead of running rollouts")(
      "open-loop", po::bool_switch(), "compare with demonstrations instead of running rollouts")(
      "config,c", po::value<std::string>()->value_name("CONFIG"),
      "--probe: config of an experiment, by path or name")(
      "config-dir", po::value<std::vector<std::string>>()->value_name("DIR")->composing(),
      "another folder of configs; may be repeated")(
      "data", po::value<std::string>()->value_name("PATH"),
      "--probe, --open-loop: use this data instead of the experiment's")(
      "held-out", po::value<std::int64_t>(),
      "--probe, --open-loop: number of episodes at the end of the data to test on; default: those "
      "that training held out, or else a fifth for --probe and all for --open-loop")(
      "no-ema", po::bool_switch(), "use the last weights, not the averaged ones")(
      "device", po::value<std::string>()->default_value("auto"), "auto, cpu, cuda or cuda:N")(
      "plugin-path", po::value<std::vector<std::string>>()->value_name("DIR")->composing(),
      "another folder of plugins; may be repeated")(
      "trust-plugins", po::bool_switch(),
      "also open libraries that the run's config names but the run did not record")(
      "help,h", "print this help");
  return options;
}

std::int64_t at_least(const po::variables_map& values, const char* option, std::int64_t low) {
  const auto value = values[option].as<std::int64_t>();
  if (value >= low) return value;
  throw Error({.what = fmt::format("--{} is too small", option),
               .expected = fmt::format("at least {}", low),
               .found = std::to_string(value)});
}

// RUN/evaluations/step_00050000_seed_1000_episodes_100 for a checkpoint in a run folder, and
// CHECKPOINT/evaluations/... for any other checkpoint. The name ends with the options and overrides
// that differ from a plain evaluation.
fs::path output_folder(const po::variables_map& values, const std::vector<std::string>& overrides,
                       const fs::path& checkpoint, std::int64_t step) {
  if (values.count("output") != 0) return values["output"].as<std::string>();
  const fs::path folder = fs::canonical(checkpoint);
  const bool is_of_run = folder.parent_path().filename() == kCheckpointsFolder;
  const fs::path owner = is_of_run ? folder.parent_path().parent_path() : folder;
  std::string name =
      fmt::format("{}_seed_{}_episodes_{}", step_name(step), values["seed"].as<std::int64_t>(),
                  values["episodes"].as<std::int64_t>());
  if (values["no-ema"].as<bool>()) name += "_no_ema";
  if (const auto& control = values["control"].as<std::string>(); control != "none") {
    name += "_" + control;
  }
  for (const std::string& change : overrides) name += "_" + change;
  std::replace(name.begin(), name.end(), '/', '.');
  constexpr std::size_t kLongest = 120;
  if (name.size() > kLongest) {
    name = name.substr(0, kLongest) + "_" + Sha256().update_text(name).hex().substr(0, 8);
  }
  return owner / "evaluations" / name;
}

void print_rollouts(const RolloutSummary& summary, const fs::path& checkpoint,
                    const fs::path& output) {
  const auto trials = static_cast<std::int64_t>(summary.episodes.size());
  const auto [low, high] = wilson_interval(summary.num_successes(), trials);
  const RolloutTimings timings = summary.timings();
  const PlanTimings plans = summary.plans();
  std::cout << fmt::format(
      "checkpoint            {}\n"
      "success               {}/{} = {:.1f} %  (95 % interval {:.1f} .. {:.1f} %)\n"
      "stable success        {}/{}\n"
      "mean highest reward   {:.3f}\n"
      "per control step      observe {:.2f} ms, preprocess {:.2f} ms, inference {:.2f} ms, "
      "simulate {:.2f} ms, total {:.2f} ms\n"
      "per action chunk      mean {:.2f} ms, maximum {:.2f} ms; {} of {} late\n"
      "written to            {}\n",
      checkpoint.string(), summary.num_successes(), trials, 100 * summary.success_rate(), 100 * low,
      100 * high, summary.num_stable_successes(), trials, summary.mean_highest_reward(),
      timings.obs_read_ms, timings.preprocess_ms, timings.inference_ms, timings.env_step_ms,
      timings.loop_total_ms,
      plans.total_ms / static_cast<double>(std::max<std::int64_t>(1, plans.count)), plans.max_ms,
      plans.late, plans.count, output.string());
}

// The loaded policy and its environment, in the main process or in a worker.
struct Evaluation {
  LoadedRun run;
  Control control = Control::kNone;
  std::shared_ptr<Environment> environment;  // the first one
  RolloutOptions options;

  std::shared_ptr<Environment> make_environment() const {
    return controlled(control, [this] { return run.make_environment(); });
  }
};

Evaluation prepare_evaluation(const ParsedArguments& parsed) {
  // Load the policy.
  const po::variables_map& values = parsed.values;
  const Control control = control_from(values["control"].as<std::string>());
  const RolloutOptions wanted = {
      .num_episodes = at_least(values, "episodes", 1),
      .first_seed = static_cast<std::uint64_t>(at_least(values, "seed", 0)),
      .num_videos = at_least(values, "video", 0)};
  // A worker uses the main process's checkpoint: a newer one may have been saved since.
  const std::string given =
      values[values.count("worker") != 0 ? "worker" : "checkpoint"].as<std::string>();
  const bool uses_ema = !values["no-ema"].as<bool>();
  Evaluation evaluation{
      .run = open_run(given, {.use_ema = uses_ema,
                              .overrides = parsed.words,
                              .device = device_from(values["device"].as<std::string>()),
                              .trust_plugins = values["trust-plugins"].as<bool>()}),
      .control = control,
      .options = wanted};
  // Create the environment, and describe the evaluation for summary.json.
  const LoadedRun& run = evaluation.run;
  evaluation.environment = evaluation.make_environment();
  evaluation.options.output_folder =
      output_folder(values, parsed.words, run.checkpoint, run.state.step);
  evaluation.options.subject = {{"checkpoint", run.checkpoint.string()},
                                {"control", values["control"].as<std::string>()},
                                {"overrides", fmt::format("{}", fmt::join(parsed.words, " "))},
                                {"weights", uses_ema ? "averaged, where it has them" : "last"}};
  return evaluation;
}

// Finds problems with the environment and the output folder before the first episode.
void check_evaluation(const Evaluation& evaluation) {
  Agent& agent = *evaluation.run.agent;
  require_fit(agent.spec(), evaluation.environment->spec());
  const bool sees = agent.backbone() != nullptr ||
                    require_actor(agent, {}, evaluation.run.checkpoint.string())->needs_images();
  try_environment(*evaluation.environment, evaluation.options.first_seed, sees, /*films=*/true);
  require_writable_folder(evaluation.options.output_folder, "the evaluation's folder");
}

// Several episodes at a time would give one robot several commands.
void require_one_at_a_time(const po::variables_map& values, const char* option) {
  if (values.count(option) == 0 || at_least(values, option, 1) == 1) return;
  throw Error({.what = "a robot runs one episode at a time",
               .where = "command line",
               .expected = fmt::format("--{} 1, because the environment has no scene", option),
               .found = fmt::format("--{} {}", option, at_least(values, option, 1)),
               .next = fmt::format("remove --{}", option)});
}

std::int64_t num_workers(const po::variables_map& values, Environment& environment) {
  if (environment.scene() == nullptr) {
    require_one_at_a_time(values, "workers");
    require_one_at_a_time(values, "together");
    return 1;
  }
  const bool holds_several = at_least(values, "together", 1) > 1;
  if (values.count("workers") != 0) {
    const std::int64_t workers = at_least(values, "workers", 1);
    if (workers == 1 || !holds_several) return workers;
    throw Error({.what = "--together works with one process only",
                 .where = "command line",
                 .found = fmt::format("--workers {}", workers),
                 .next = "remove one of the two options"});
  }
  if (holds_several) return 1;
  return device_from(values["device"].as<std::string>()).is_cpu() ? at::get_num_threads() : 1;
}

// Runs the episodes in this process, one after another or several at a time.
RolloutSummary roll_out(const Evaluation& evaluation, std::int64_t together) {
  Agent& agent = *evaluation.run.agent;
  together = std::min(together, evaluation.options.num_episodes);
  if (together == 1) return run_rollouts(agent, *evaluation.environment, evaluation.options);
  std::vector<std::shared_ptr<Environment>> environments = {evaluation.environment};
  while (std::ssize(environments) < together) environments.push_back(evaluation.make_environment());
  return run_rollouts_together(agent, environments, evaluation.options);
}

int evaluate_as_worker(const ParsedArguments& parsed) {
  leave_signals_to_owner();
  const Evaluation evaluation = prepare_evaluation(parsed);
  serve_rollouts(*evaluation.run.agent, *evaluation.environment, evaluation.options);
  return EXIT_SUCCESS;
}

int evaluate(const ParsedArguments& parsed, const Arguments& arguments) {
  const po::variables_map& values = parsed.values;
  if (values.count("output") != 0) {
    require_output_folder(values["output"].as<std::string>());
  }
  const StopRequest stop;
  // Prepare it here even if workers run the episodes, so that a problem is reported once.
  Evaluation evaluation = prepare_evaluation(parsed);
  const std::int64_t workers = num_workers(values, *evaluation.environment);
  check_evaluation(evaluation);
  clear_unfinished_evaluation(evaluation.options.output_folder);
  RolloutOptions& options = evaluation.options;
  Progress progress("rollouts", options.num_episodes);
  progress.update(0, "");
  options.progress = [&](std::int64_t done) { progress.update(done, ""); };
  options.should_stop = [&stop] { return stop.requested(); };
  // Run the episodes. Workers are this program with the same arguments.
  std::vector<std::string> worker_command = {"/proc/self/exe", "eval",
                                             "--worker=" + evaluation.run.checkpoint.string()};
  worker_command.insert(worker_command.end(), arguments.begin(), arguments.end());
  return interruptible(stop, [&] {
    const RolloutSummary summary = workers > 1
                                       ? run_rollouts_in_workers(worker_command, workers, options)
                                       : roll_out(evaluation, at_least(values, "together", 1));
    progress.clear();
    if (values["json"].as<bool>()) {
      std::cout << summary.to_json() << std::endl;
    } else {
      print_rollouts(summary, evaluation.run.checkpoint, options.output_folder);
    }
  });
}

// Error for an option that has no effect on what was requested.
void refuse_options(const po::variables_map& values, const char* request,
                    std::initializer_list<const char*> options) {
  for (const char* option : options) {
    if (values.count(option) == 0 || values[option].defaulted()) continue;
    throw Error({.what = fmt::format("--{} has no effect on {}", option, request),
                 .where = "command line",
                 .next = "remove it, or see roboimi eval --help"});
  }
}

int open_loop_checked(const ParsedArguments& parsed) {
  refuse_options(
      parsed.values, "--open-loop",
      {"episodes", "video", "workers", "together", "control", "output", "config", "config-dir"});
  if (parsed.values.count("held-out") != 0) at_least(parsed.values, "held-out", 1);
  at_least(parsed.values, "seed", 0);
  return open_loop(parsed.values, parsed.words);
}

int probe_checked(const ParsedArguments& parsed) {
  const bool is_trained = parsed.values.count("checkpoint") != 0;
  if (is_trained == (parsed.values.count("config") != 0)) {
    throw Error({.what = is_trained ? "both --checkpoint and --config" : "nothing to probe",
                 .expected = "--probe with --checkpoint DIR or with --config CONFIG",
                 .next = "see roboimi eval --help"});
  }
  if (is_trained && !parsed.words.empty()) {
    throw Error({.what = "unexpected argument '" + parsed.words.front() + "'",
                 .expected = "overrides only with --config",
                 .next = "see roboimi eval --help"});
  }
  refuse_options(parsed.values, "--probe",
                 {"episodes", "seed", "video", "workers", "together", "control"});
  if (parsed.values.count("held-out") != 0) at_least(parsed.values, "held-out", 1);
  Registry::instance().load_search_path(paths_of(parsed.values, "plugin-path"));
  return probe(parsed.values, parsed.words);
}

// `roboimi eval DIR` means --checkpoint DIR; with --probe, `roboimi eval CONFIG` means --config.
void take_positional_run(ParsedArguments& parsed) {
  const bool is_probe = parsed.values["probe"].as<bool>();
  if (is_probe && parsed.values.count("checkpoint") + parsed.values.count("config") != 0) return;
  const auto name = std::ranges::find_if_not(parsed.words, is_override);
  std::error_code error;
  const bool is_config = is_probe && name != parsed.words.end() && !fs::is_directory(*name, error);
  take_positional(parsed, is_config ? "config" : "checkpoint");
}

}  // namespace

int eval_command(const Arguments& arguments) {
  const po::options_description options = eval_options();
  po::options_description all = eval_options();
  all.add_options()("worker", po::value<std::string>(), "");
  ParsedArguments parsed = parse_arguments(arguments, all);
  if (parsed.values.count("help") != 0) {
    std::cout << kEvalUsage << options;
    return EXIT_SUCCESS;
  }
  if (parsed.values["probe"].as<bool>() && parsed.values["open-loop"].as<bool>()) {
    throw Error({.what = "both --probe and --open-loop",
                 .expected = "one of the two options",
                 .next = "see roboimi eval --help"});
  }
  take_positional_run(parsed);
  if (parsed.values["probe"].as<bool>()) return probe_checked(parsed);
  if (parsed.values.count("checkpoint") == 0) {
    throw Error({.what = "no checkpoint given",
                 .expected = "roboimi eval RUN_DIR, or a checkpoint's folder",
                 .next = "see roboimi eval --help"});
  }
  Registry::instance().load_search_path(paths_of(parsed.values, "plugin-path"));
  if (parsed.values["open-loop"].as<bool>()) return open_loop_checked(parsed);
  refuse_options(parsed.values, "rollouts", {"config", "config-dir", "data", "held-out"});
  return parsed.values.count("worker") != 0 ? evaluate_as_worker(parsed)
                                            : evaluate(parsed, arguments);
}

}  // namespace roboimi::app
