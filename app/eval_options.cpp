#include "app/eval_options.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>

#include "roboimi/checkpoint/checkpoint_folder.h"
#include "roboimi/checkpoint/loaded_run.h"
#include "roboimi/common/error.h"
#include "roboimi/common/hash.h"
#include "roboimi/rollout/controls.h"

namespace roboimi::app {

namespace po = boost::program_options;

const char* const kEvalUsage =
    "usage: roboimi eval [--checkpoint] DIR [KEY=VALUE ...] [options]\n"
    "       roboimi eval --open-loop [--checkpoint] DIR [KEY=VALUE ...] [options]\n"
    "       roboimi eval --probe (--checkpoint DIR | --config CONFIG [KEY=VALUE ...]) [options]\n\n"
    "Runs a trained policy in its environment and reports its success rate. DIR is a run folder\n"
    "(its newest checkpoint), checkpoints/step_NNNNNNNN, checkpoints/latest or checkpoints/best.\n"
    "Overrides change how the policy acts (agent.latency_steps, agent.ensemble_decay,\n"
    "agent.head.num_inference_steps), not its weights. The results depend on the checkpoint, the\n"
    "seeds and the overrides, and on --together up to rounding, not on --workers.\n\n"
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

namespace {

// Episodes that a process runs at a time by default if the policy is on a GPU: enough to fill its
// batches, and a few per core.
constexpr std::int64_t kTogetherOnGpu = 32;

at::Device device_of(const po::variables_map& values) {
  return device_from(values["device"].as<std::string>());
}

std::int64_t default_together(const po::variables_map& values) {
  return device_of(values).is_cpu() ? 1 : kTogetherOnGpu;
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

}  // namespace

po::options_description eval_options() {
  po::options_description options("options");
  options.add_options()("checkpoint", po::value<std::string>()->value_name("DIR"),
                        "run or checkpoint to evaluate")(
      "episodes", po::value<std::int64_t>()->default_value(100), "number of episodes")(
      "seed", po::value<std::int64_t>()->default_value(1000),
      "seed of the first episode; --open-loop: seed of the policy's noise, by default that of the "
      "run's validations")("video", po::value<std::int64_t>()->default_value(10),
                           "number of episodes, from the first, to record as MP4")(
      "workers", po::value<std::int64_t>(),
      "number of processes that share the episodes, or with --together above 1 of threads that "
      "simulate and render them; default: one per core; with a GPU and --together 1, one")(
      "together", po::value<std::int64_t>(),
      "number of episodes that one process runs at a time; their action chunks are sampled as one "
      "batch; default: 1, with a GPU 32")(
      "control", po::value<std::string>()->default_value("none"),
      "baseline to run instead of the policy's normal input: hold_pose (no policy), black "
      "(black images), shuffled (images of another episode)")(
      "output", po::value<std::string>()->value_name("DIR"),
      "folder of the summary, images and videos; default: RUN/evaluations/...; --open-loop: of an "
      "image of commanded and recorded actions per episode; --probe: of an image of the "
      "representation")("json", po::bool_switch(), "print the summary as JSON")(
      "probe", po::bool_switch(), "fit linear probes instead of running rollouts")(
      "open-loop", po::bool_switch(), "compare with demonstrations instead of running rollouts")(
      "config,c", po::value<std::string>()->value_name("CONFIG"),
      "--probe: config of an experiment, by path or name")(
      "config-dir", po::value<std::vector<std::string>>()->value_name("DIR")->composing(),
      "another folder of configs; may be repeated")(
      "data", po::value<std::string>()->value_name("PATH"),
      "--probe, --open-loop: use this data instead of the experiment's; with --open-loop, of any "
      "format")(
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

void check_rollout_options(const po::variables_map& values) {
  at_least(values, "episodes", 1);
  at_least(values, "seed", 0);
  at_least(values, "video", 0);
  control_from(values["control"].as<std::string>());
  device_from(values["device"].as<std::string>());
  for (const char* option : {"together", "workers"}) {
    if (values.count(option) != 0) at_least(values, option, 1);
  }
}

Parallelism parallelism(const po::variables_map& values, bool has_scene) {
  if (!has_scene) {
    require_one_at_a_time(values, "workers");
    require_one_at_a_time(values, "together");
    return {};
  }
  const auto given = [&](const char* option, std::int64_t otherwise) {
    return values.count(option) != 0 ? at_least(values, option, 1) : otherwise;
  };
  const bool is_on_cpu = device_of(values).is_cpu();
  const std::int64_t together = given("together", default_together(values));
  const std::int64_t workers = is_on_cpu || together > 1 ? at::get_num_threads() : 1;
  return {.together = together, .workers = given("workers", workers)};
}

std::string evaluation_name(const po::variables_map& values,
                            const std::vector<std::string>& overrides, std::int64_t step) {
  std::string name =
      fmt::format("{}_seed_{}_episodes_{}", step_name(step), values["seed"].as<std::int64_t>(),
                  values["episodes"].as<std::int64_t>());
  if (values["no-ema"].as<bool>()) name += "_no_ema";
  if (const auto& control = values["control"].as<std::string>(); control != "none") {
    name += "_" + control;
  }
  if (values.count("together") != 0) {
    const auto together = values["together"].as<std::int64_t>();
    if (together != default_together(values)) name += fmt::format("_together_{}", together);
  }
  for (const std::string& change : overrides) name += "_" + change;
  std::replace(name.begin(), name.end(), '/', '.');
  constexpr std::size_t kLongest = 120;
  if (name.size() > kLongest) {
    name = name.substr(0, kLongest) + "_" + Sha256().update_text(name).hex().substr(0, 8);
  }
  return name;
}

}  // namespace roboimi::app
