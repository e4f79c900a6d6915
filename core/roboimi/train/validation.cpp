#include "roboimi/train/validation.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/utils.h>

#include "roboimi/common/error.h"
#include "roboimi/common/log.h"
#include "roboimi/common/random.h"
#include "roboimi/contract/mode_guard.h"
#include "roboimi/rollout/open_loop.h"
#include "roboimi/rollout/open_loop_image.h"
#include "roboimi/train/probe.h"
#include "roboimi/train/representation.h"

namespace roboimi {

Validation::Validation(Agent& agent, const TrainingData& data, const ValidationOptions& options)
    : agent_(agent), data_(data), options_(options) {
  ROBOIMI_CHECK(data_.held_out_sampler != nullptr, "no episodes are held out");
}

std::map<std::string, double> Validation::measure(const std::filesystem::path& folder) {
  const torch::NoGradGuard no_grad;
  const ModeGuard evaluation(agent_, /*training=*/false);
  std::map<std::string, double> metrics = loss();
  if (agent_.make_actor({}) != nullptr) {
    if (options_.open_loop_episodes > 0) metrics["action_error"] = action_error(folder);
  } else if (data_.can_probe(agent_)) {
    metrics.merge(representation(folder));
  }
  return metrics;
}

double Validation::action_error(const std::filesystem::path& folder) const {
  std::vector<std::int64_t> episodes = data_.held_out_episodes;
  if (std::ssize(episodes) > options_.open_loop_episodes) {
    episodes.resize(static_cast<std::size_t>(options_.open_loop_episodes));
  }
  const OpenLoopError error =
      open_loop_error(agent_, *data_.dataset, episodes,
                      {.seed = options_.seed, .should_stop = options_.should_stop});
  write_open_loop_images(folder, error, data_.action_range, data_.dataset->spec());
  return error.normalized_rms(data_.action_range);
}

std::map<std::string, double> Validation::loss() const {
  // Choose the windows.
  const std::int64_t available = data_.held_out_sampler->num_windows();
  const std::int64_t count = std::min(available, options_.max_windows);
  const at::Tensor windows =
      at::arange(count, at::kLong).mul(available).div(count, /*rounding_mode=*/"floor");
  // Average loss and metrics over them; the last batch may be smaller.
  std::map<std::string, double> sums;
  for (std::int64_t start = 0; start < count; start += options_.batch_size) {
    const at::Tensor chosen = windows.slice(0, start, start + options_.batch_size);
    at::Generator generator =
        make_generator(mix_seed(options_.seed, static_cast<std::uint64_t>(start)), options_.device);
    const LossReport report = agent_.loss(data_.held_out_sampler->batch_of(chosen), generator);
    const double weight = static_cast<double>(chosen.size(0)) / static_cast<double>(count);
    sums["loss"] += weight * report.loss.item<double>();
    for (const auto& [name, value] : report.metrics) sums[name] += weight * value.item<double>();
  }
  return sums;
}

std::map<std::string, double> Validation::representation(
    const std::filesystem::path& folder) const {
  const ProbeData train = data_.probe_data(agent_, data_.training_episodes, options_.device);
  const ProbeData held_out = data_.probe_data(agent_, data_.held_out_episodes, options_.device);
  std::map<std::string, double> metrics = representation_metrics(held_out.representation);
  if (const std::string collapse = collapse_of(metrics); !collapse.empty()) {
    logger().warn("the representation has collapsed: {}", collapse);
  }
  for (const ProbeResult& result : linear_probes(train, held_out, {})) {
    metrics["probe/" + result.name + "_r2"] = result.r2;
    metrics["probe/" + result.name + "_rmse"] = result.rmse;
  }
  std::filesystem::create_directories(folder);
  write_pca_image(folder / "pca_episode.png",
                  held_out.representation.slice(0, held_out.first[0], held_out.first[1]));
  return metrics;
}

}  // namespace roboimi
