// The command `roboimi eval`, which evaluates a checkpoint in rollouts, compares it with
// demonstrations, or probes its representation.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <iostream>

#include "app/commands.h"
#include "app/common_options.h"
#include "app/config_argument.h"
#include "app/eval_options.h"
#include "app/evaluation_output.h"
#include "app/interruptible.h"
#include "app/open_loop_command.h"
#include "app/probe_command.h"
#include "roboimi/checkpoint/checkpoint.h"
#include "roboimi/checkpoint/checkpoint_folder.h"
#include "roboimi/checkpoint/loaded_run.h"
#include "roboimi/common/error.h"
#include "roboimi/common/log.h"
#include "roboimi/common/paths.h"
#include "roboimi/common/worker_processes.h"
#include "roboimi/contract/environment.h"
#include "roboimi/contract/scene.h"
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

// In summary.json: Scene::renderer_name().
constexpr const char* kRendererKey = "renderer";

// RUN/evaluations/NAME for a checkpoint in a run folder, and CHECKPOINT/evaluations/NAME for any
// other checkpoint.
fs::path output_folder(const po::variables_map& values, const std::vector<std::string>& overrides,
                       const fs::path& checkpoint, std::int64_t step) {
  if (values.count("output") != 0) return values["output"].as<std::string>();
  const fs::path folder = fs::canonical(checkpoint);
  const bool is_of_run = folder.parent_path().filename() == kCheckpointsFolder;
  const fs::path owner = is_of_run ? folder.parent_path().parent_path() : folder;
  return owner / "evaluations" / evaluation_name(values, overrides, step);
}

// The value of a key of summary.json's "subject"; empty if it is not there.
std::string subject_of(const RolloutSummary& summary, const std::string& key) {
  const auto found = summary.subject.find(key);
  return found != summary.subject.end() ? found->second : "";
}

void print_rollouts(const RolloutSummary& summary, const fs::path& checkpoint,
                    const fs::path& output, std::int64_t together) {
  const auto trials = static_cast<std::int64_t>(summary.episodes.size());
  const auto [low, high] = wilson_interval(summary.num_successes(), trials);
  const RolloutTimings timings = summary.timings();
  const PlanTimings plans = summary.plans();
  const std::string renderer = subject_of(summary, kRendererKey);
  std::cout << fmt::format(
      "checkpoint            {}\n"
      "success               {}/{} = {:.1f} %  (95 % interval {:.1f} .. {:.1f} %)\n"
      "stable success        {}/{}  (the task's stricter criterion, such as success that lasts)\n"
      "mean highest reward   {:.3f}\n"
      "per control step      observe {:.2f} ms, preprocess {:.2f} ms, inference {:.2f} ms, "
      "simulate {:.2f} ms, total {:.2f} ms\n"
      "per action chunk      mean {:.2f} ms, maximum {:.2f} ms{}; {} of {} late\n"
      "{}"
      "written to            {}\n",
      checkpoint.string(), summary.num_successes(), trials, 100 * summary.success_rate(), 100 * low,
      100 * high, summary.num_stable_successes(), trials, summary.mean_highest_reward(),
      timings.obs_read_ms, timings.preprocess_ms, timings.inference_ms, timings.env_step_ms,
      timings.loop_total_ms,
      plans.total_ms / static_cast<double>(std::max<std::int64_t>(1, plans.count)), plans.max_ms,
      together > 1 ? fmt::format(", each with its batch of up to {}", together) : "", plans.late,
      plans.count, renderer.empty() ? "" : fmt::format("rendered by           {}\n", renderer),
      output.string());
}

// The loaded policy and its environment, in the main process or in a worker.
struct Evaluation {
  LoadedRun run;
  Control control = Control::kNone;
  std::shared_ptr<Environment> environment;  // the first one
  Parallelism parallel;
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
      .num_episodes = values["episodes"].as<std::int64_t>(),
      .first_seed = static_cast<std::uint64_t>(values["seed"].as<std::int64_t>()),
      .num_videos = values["video"].as<std::int64_t>()};
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
  evaluation.parallel = parallelism(values, evaluation.environment->scene() != nullptr);
  evaluation.options.output_folder =
      output_folder(values, parsed.words, run.checkpoint, run.state.step);
  evaluation.options.subject = {{"checkpoint", run.checkpoint.string()},
                                {"control", values["control"].as<std::string>()},
                                {"together", std::to_string(evaluation.parallel.together)},
                                {"overrides", fmt::format("{}", fmt::join(parsed.words, " "))},
                                {"weights", uses_ema ? "averaged, where it has them" : "last"}};
  return evaluation;
}

// After the first image: records what renders.
void note_renderer(Evaluation& evaluation) {
  Scene* const scene = evaluation.environment->scene();
  const std::string renderer = scene != nullptr ? scene->renderer_name() : "";
  if (renderer.empty()) return;
  evaluation.options.subject[kRendererKey] = renderer;
  if (evaluation.parallel.together == 1 || renderer.find("(software)") == renderer.npos) return;
  logger().info(
      "images are rendered in software ({}), for which processes are faster than threads: "
      "--together 1 --workers {}",
      renderer, evaluation.parallel.workers);
}

// Finds problems with the environment and the output folder before the first episode.
void check_evaluation(Evaluation& evaluation) {
  Agent& agent = *evaluation.run.agent;
  require_fit(agent, evaluation.environment->spec());
  const bool sees = agent.backbone() != nullptr ||
                    require_actor(agent, {}, evaluation.run.checkpoint.string())->needs_images();
  try_environment(*evaluation.environment, evaluation.options.first_seed, sees, /*films=*/true);
  note_renderer(evaluation);
  require_writable_folder(evaluation.options.output_folder, "the evaluation's folder");
}

// Runs the episodes in this process, one after another or several at a time.
RolloutSummary roll_out(const Evaluation& evaluation) {
  Agent& agent = *evaluation.run.agent;
  const std::int64_t together =
      std::min(evaluation.parallel.together, evaluation.options.num_episodes);
  if (together == 1) return run_rollouts(agent, *evaluation.environment, evaluation.options);
  std::vector<std::shared_ptr<Environment>> environments = {evaluation.environment};
  while (std::ssize(environments) < together) environments.push_back(evaluation.make_environment());
  RolloutOptions options = evaluation.options;
  options.num_threads = evaluation.parallel.workers;
  return run_rollouts_together(agent, environments, options);
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
  const auto [together, workers] = evaluation.parallel;
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
  const bool uses_processes = together == 1 && workers > 1;
  return interruptible([&] {
    const RolloutSummary summary = uses_processes
                                       ? run_rollouts_in_workers(worker_command, workers, options)
                                       : roll_out(evaluation);
    progress.clear();
    if (values["json"].as<bool>()) {
      std::cout << summary.to_json() << std::endl;
    } else {
      print_rollouts(summary, evaluation.run.checkpoint, options.output_folder,
                     evaluation.parallel.together);
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
  refuse_options(parsed.values, "--open-loop",
                 {"episodes", "video", "workers", "together", "control", "config", "config-dir"});
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
  const bool is_open_loop = parsed.values["open-loop"].as<bool>();
  if (!is_open_loop) {
    refuse_options(parsed.values, "rollouts", {"config", "config-dir", "data", "held-out"});
    check_rollout_options(parsed.values);
  }
  Registry::instance().load_search_path(paths_of(parsed.values, "plugin-path"));
  if (is_open_loop) return open_loop_checked(parsed);
  return parsed.values.count("worker") != 0 ? evaluate_as_worker(parsed)
                                            : evaluate(parsed, arguments);
}

}  // namespace roboimi::app
