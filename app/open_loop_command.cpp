#include "app/open_loop_command.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "app/demonstrations.h"
#include "app/interruptible.h"
#include "roboimi/checkpoint/loaded_run.h"
#include "roboimi/common/error.h"
#include "roboimi/common/json_text.h"
#include "roboimi/common/paths.h"
#include "roboimi/common/text.h"
#include "roboimi/rollout/open_loop.h"
#include "roboimi/rollout/open_loop_image.h"
#include "roboimi/track/progress.h"
#include "roboimi/train/held_out.h"
#include "roboimi/train/run_folder.h"
#include "roboimi/train/stop_request.h"

namespace roboimi::app {
namespace {

namespace fs = std::filesystem;
namespace po = boost::program_options;

// The demonstrations to compare with.
struct Demonstrations {
  std::vector<std::int64_t> episodes;
  std::string origin;  // "held out of the training", ...
};

// Whether the data is the run's own: --data is not given, or is another path of the same folder.
bool is_own_data(const std::optional<fs::path>& other, const ConfigNode& config) {
  if (!other) return true;
  const ConfigNode* own = config.find_path("data.path");
  std::error_code error;
  return own != nullptr && own->is_scalar() && fs::equivalent(own->text(), *other, error);
}

// The last --held-out episodes. By default, those that the run held out of training if the data is
// its own, else all.
Demonstrations select_demonstrations(const po::variables_map& values, const ConfigNode& config,
                                     const Dataset& dataset) {
  const bool is_own = is_own_data(other_data(values), config);
  const std::int64_t all = dataset.num_episodes();
  const std::vector<std::int64_t> held_out =
      is_own ? held_out_of(config).of(all) : std::vector<std::int64_t>();
  Demonstrations chosen{.episodes = held_out};
  if (values.count("held-out") != 0 || held_out.empty()) {
    const std::int64_t count =
        values.count("held-out") != 0 ? values["held-out"].as<std::int64_t>() : all;
    if (count > all) {
      throw Error({.what = "--held-out exceeds the number of episodes",
                   .expected = fmt::format("at most {}", all),
                   .found = std::to_string(count)});
    }
    chosen.episodes.resize(static_cast<std::size_t>(count));
    std::iota(chosen.episodes.begin(), chosen.episodes.end(), all - count);
  }
  const bool all_held_out = std::includes(held_out.begin(), held_out.end(), chosen.episodes.begin(),
                                          chosen.episodes.end());
  chosen.origin = !is_own        ? "not from the run's data"
                  : all_held_out ? "held out of the training"
                                 : "from the training data";
  return chosen;
}

// By default the seed of the run's validations, so that both report the same error.
std::uint64_t noise_seed(const po::variables_map& values, const LoadedRun& run) {
  if (values["seed"].defaulted()) return run.state.seed;
  return static_cast<std::uint64_t>(values["seed"].as<std::int64_t>());
}

// `data=hdf5` chooses a file of a group, and the configuration of a run has no groups.
void refuse_group_of_data(const std::vector<std::string>& overrides) {
  for (const std::string& word : overrides) {
    if (!word.starts_with("data=")) continue;
    throw Error({.what = "'" + printable(word) +
                         "' chooses a config of a group, which works only "
                         "for a training",
                 .where = "command line",
                 .next = "name the data with --data PATH; its format is detected"});
  }
}

ActionRange range_of(const LoadedRun& run) {
  if (run.state.action_range) return *run.state.action_range;
  throw Error({.what = "the checkpoint does not record the range of its actions",
               .where = run.checkpoint.string(),
               .next = "train it with this version of roboimi"});
}

nlohmann::ordered_json open_loop_json(const OpenLoopError& error, const ActionRange& range,
                                      const fs::path& checkpoint, const Demonstrations& compared,
                                      std::uint64_t seed) {
  const at::Tensor rms = error.rms();
  nlohmann::ordered_json json{
      {"checkpoint", checkpoint.string()},
      {"demonstrations", compared.origin},
      {"seed", seed},
      {"normalized_rms", error.normalized_rms(range)},
      {"roughness_ratio", error.roughness_ratio(range)},
      {"rms", std::vector<double>(rms.const_data_ptr<double>(),
                                  rms.const_data_ptr<double>() + rms.numel())}};
  for (const OpenLoopError::Episode& episode : error.episodes) {
    json["episodes"].push_back({{"index", episode.index},
                                {"num_steps", episode.num_steps},
                                {"normalized_rms", OpenLoopError::normalized_rms(episode, range)}});
  }
  return json;
}

void print_open_loop(const OpenLoopError& error, const ActionRange& range,
                     const fs::path& checkpoint, const Demonstrations& compared,
                     std::uint64_t seed) {
  std::vector<double> each;
  for (const auto& episode : error.episodes) {
    each.push_back(OpenLoopError::normalized_rms(episode, range));
  }
  const auto [least, most] = std::minmax_element(each.begin(), each.end());
  const at::Tensor rms = error.rms();
  const auto worst = rms.argmax().item<std::int64_t>();
  std::cout << fmt::format(
      "checkpoint            {}\n"
      "demonstrations        {}, {}\n"
      "seed of the noise     {}\n"
      "action error (RMS)    {:.1f} % of half-range; per episode {:.1f} to {:.1f} %\n"
      "                      (half-range: half of an action's range in the training data)\n"
      "largest error (RMS)   {:.4g} in the unit of the data, in action dimension {}\n"
      "roughness             {:.2f} times that of the demonstrations (RMS of second differences)\n",
      checkpoint.string(), each.size(), compared.origin, seed, 100 * error.normalized_rms(range),
      100 * *least, 100 * *most, rms[worst].item<double>(), worst, error.roughness_ratio(range));
}

}  // namespace

int open_loop(const po::variables_map& values, const std::vector<std::string>& overrides) {
  // Check the arguments.
  refuse_group_of_data(overrides);
  if (values.count("output") != 0) {
    require_writable_folder(values["output"].as<std::string>(), "--output");
  }
  const StopRequest stop;
  const LoadedRun run = open_run(values["checkpoint"].as<std::string>(),
                                 {.use_ema = !values["no-ema"].as<bool>(),
                                  .overrides = overrides,
                                  .device = device_from(values["device"].as<std::string>()),
                                  .trust_plugins = values["trust-plugins"].as<bool>()});
  const auto dataset = open_demonstrations(run, other_data(values));
  const Demonstrations compared = select_demonstrations(values, run.config, *dataset);
  const ActionRange range = range_of(run);
  const std::uint64_t seed = noise_seed(values, run);
  Progress progress("episodes", static_cast<std::int64_t>(compared.episodes.size()));
  return interruptible([&] {
    const OpenLoopError error = open_loop_error(
        *run.agent, *dataset, compared.episodes,
        {.seed = seed,
         .should_stop = [&stop] { return stop.requested(); },
         .progress = [&progress](std::int64_t done) { progress.update(done, ""); }});
    progress.clear();
    if (values.count("output") != 0) {
      write_open_loop_images(values["output"].as<std::string>(), error, range, dataset->spec());
    }
    if (values["json"].as<bool>()) {
      std::cout << json_text(open_loop_json(error, range, run.checkpoint, compared, seed))
                << std::endl;
    } else {
      print_open_loop(error, range, run.checkpoint, compared, seed);
    }
  });
}

}  // namespace roboimi::app
