// roboimi eval: rolls a checkpoint out, or probes a representation.
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <boost/program_options.hpp>
#include <iostream>

#include "app/commands.h"
#include "app/common_options.h"
#include "app/probe_command.h"
#include "roboimi/common/error.h"
#include "roboimi/env/environment.h"
#include "roboimi/env/rollout.h"
#include "roboimi/plugin/registry.h"
#include "roboimi/train/load_agent.h"
#include "roboimi/train/run_folder.h"
#include "roboimi/train/stop_request.h"

namespace roboimi::app {
namespace {

namespace fs = std::filesystem;
namespace po = boost::program_options;

constexpr const char* kUsage =
    "usage: roboimi eval --checkpoint DIR [options]\n"
    "       roboimi eval --probe (--checkpoint DIR | --config FILE [a.b=c ...]) [options]\n\n"
    "Rolls out a trained policy and reports its success. DIR is a run's folder (its newest\n"
    "checkpoint), checkpoints/step_NNNNNNNN, checkpoints/latest or checkpoints/best.\n"
    "With --probe: fits linear probes to the representation of the data's frames, and says how "
    "much\n"
    "they tell on held-out episodes. --config probes weights that no run has trained.\n\n"
    "Examples:\n"
    "  roboimi eval --checkpoint runs/20260102_030405_demo --episodes 100 --seed 1000\n"
    "  roboimi eval --checkpoint runs/20260102_030405_demo/checkpoints/best --video 3\n"
    "  roboimi eval --probe --config lewm_imf_attnres.yaml agent.backbone.checkpoint=lewm.ckpt\n\n";

po::options_description described_options() {
  po::options_description options("options");
  options.add_options()("checkpoint", po::value<std::string>(), "what to roll out")(
      "episodes", po::value<std::int64_t>()->default_value(100), "how many")(
      "seed", po::value<std::int64_t>()->default_value(1000), "seed of the first episode")(
      "video", po::value<std::int64_t>()->default_value(0), "episodes recorded as MP4")(
      "output", po::value<std::string>(),
      "folder of summary, pictures and videos; default: RUN/evaluations/...")(
      "json", po::bool_switch(), "print the summary as JSON")("probe", po::bool_switch(),
                                                              "linear probes in place of rollouts")(
      "config,c", po::value<std::string>(), "with --probe: an experiment, by path or name")(
      "config-dir", po::value<std::vector<std::string>>()->composing(),
      "more folders with configurations")("data", po::value<std::string>(),
                                          "with --probe: other data than the experiment's")(
      "held-out", po::value<std::int64_t>(),
      "with --probe: episodes at the data's end to test on; default: the run's, or a fifth")(
      "no-ema", po::bool_switch(), "use the last weights, not the averaged ones")(
      "device", po::value<std::string>()->default_value("auto"), "auto, cpu, cuda or cuda:N")(
      "plugin-path", po::value<std::vector<std::string>>()->composing(),
      "more folders with plugins")("help,h", "show this text");
  return options;
}

std::int64_t at_least(const po::variables_map& values, const char* option, std::int64_t low) {
  const auto value = values[option].as<std::int64_t>();
  if (value >= low) return value;
  throw Error({.what = fmt::format("--{} is too small", option),
               .expected = fmt::format("at least {}", low),
               .found = std::to_string(value)});
}

// RUN/evaluations/step_00050000_seed_1000 for a checkpoint inside a run's folder.
fs::path output_folder(const po::variables_map& values, const fs::path& checkpoint,
                       std::int64_t step) {
  if (values.count("output") != 0) return values["output"].as<std::string>();
  const fs::path run = fs::canonical(checkpoint).parent_path().parent_path();
  return run / "evaluations" /
         fmt::format("{}_seed_{}{}", step_name(step), values["seed"].as<std::int64_t>(),
                     values["no-ema"].as<bool>() ? "_no_ema" : "");
}

void print_summary(const RolloutSummary& summary, const fs::path& checkpoint,
                   const fs::path& output) {
  const auto trials = static_cast<std::int64_t>(summary.episodes.size());
  std::int64_t successes = 0, stable = 0;
  for (const EpisodeOutcome& episode : summary.episodes) {
    successes += episode.success ? 1 : 0;
    stable += episode.stable_success ? 1 : 0;
  }
  const auto [low, high] = wilson_interval(successes, trials);
  const RolloutTimings& timings = summary.timings;
  std::cout << fmt::format(
      "checkpoint            {}\n"
      "success               {}/{} = {:.1f} %  (95 % interval {:.1f} .. {:.1f} %)\n"
      "stable success        {}/{}\n"
      "mean highest reward   {:.3f}\n"
      "per control step      obs_read {:.2f} ms, preprocess {:.2f} ms, inference {:.2f} ms, "
      "env_step {:.2f} ms, loop_total {:.2f} ms\n"
      "written to            {}\n",
      checkpoint.string(), successes, trials, 100 * summary.success_rate(), 100 * low, 100 * high,
      stable, trials, summary.mean_highest_reward(), timings.obs_read_ms, timings.preprocess_ms,
      timings.inference_ms, timings.env_step_ms, timings.loop_total_ms, output.string());
}

const ConfigNode& environment_node(const LoadedAgent& loaded, const fs::path& checkpoint) {
  const ConfigNode* node = loaded.config.find("env");
  if (node != nullptr && !node->is_null()) return *node;
  throw Error({.what = "the run has no environment to roll out in",
               .where = (checkpoint / "config.yaml").string(),
               .expected = "a section `env`"});
}

int evaluate(const po::variables_map& values) {
  const RolloutOptions wanted = {
      .num_episodes = at_least(values, "episodes", 1),
      .first_seed = static_cast<std::uint64_t>(at_least(values, "seed", 0)),
      .num_videos = at_least(values, "video", 0)};
  const fs::path checkpoint = find_checkpoint(values["checkpoint"].as<std::string>());
  const LoadedAgent loaded = load_agent_from_checkpoint(
      checkpoint, {.use_ema = !values["no-ema"].as<bool>(),
                   .device = device_from(values["device"].as<std::string>())});
  // As many as in training, for the same bits, unless this machine has fewer.
  at::set_num_threads(
      std::min(static_cast<int>(loaded.state.conditions.threads), at::get_num_threads()));
  const auto environment =
      Registry::instance().create_environment(environment_node(loaded, checkpoint), "env");

  const StopRequest stop;
  RolloutOptions options = wanted;
  options.output_folder = output_folder(values, checkpoint, loaded.state.step);
  options.should_stop = [&stop] { return stop.requested(); };
  try {
    const RolloutSummary summary = run_rollouts(*loaded.agent, *environment, options);
    if (values["json"].as<bool>()) {
      std::cout << summary.to_json() << std::endl;
    } else {
      print_summary(summary, checkpoint, options.output_folder);
    }
    return EXIT_SUCCESS;
  } catch (const Error&) {
    if (stop.requested()) return kInterruptedStatus;
    throw;
  }
}

int probe_checked(const ParsedArguments& parsed) {
  const bool is_trained = parsed.values.count("checkpoint") != 0;
  if (is_trained == (parsed.values.count("config") != 0)) {
    throw Error({.what = is_trained ? "both --checkpoint and --config" : "nothing to probe",
                 .expected = "--probe with --checkpoint DIR or with --config FILE",
                 .next = "see roboimi eval --help"});
  }
  if (is_trained && !parsed.words.empty()) {
    throw Error({.what = "unexpected word '" + parsed.words.front() + "'",
                 .expected = "overrides with --config alone",
                 .next = "see roboimi eval --help"});
  }
  if (parsed.values.count("held-out") != 0) at_least(parsed.values, "held-out", 1);
  Registry::instance().load_search_path(paths_of(parsed.values, "plugin-path"));
  return probe(parsed.values, parsed.words);
}

}  // namespace

int eval_command(const Arguments& arguments) {
  const po::options_description options = described_options();
  const ParsedArguments parsed = parse_arguments(arguments, options);
  if (parsed.values.count("help") != 0) {
    std::cout << kUsage << options;
    return EXIT_SUCCESS;
  }
  if (parsed.values["probe"].as<bool>()) return probe_checked(parsed);
  if (!parsed.words.empty()) {
    throw Error({.what = "unexpected word '" + parsed.words.front() + "'",
                 .next = "see roboimi eval --help"});
  }
  if (parsed.values.count("checkpoint") == 0) {
    throw Error({.what = "no checkpoint",
                 .expected = "--checkpoint DIR",
                 .next = "see roboimi eval --help"});
  }
  Registry::instance().load_search_path(paths_of(parsed.values, "plugin-path"));
  return evaluate(parsed.values);
}

}  // namespace roboimi::app
