#include "roboimi/rollout/open_loop.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>
#include <iterator>
#include <memory>

#include "roboimi/common/error.h"
#include "roboimi/common/random.h"
#include "roboimi/contract/agent.h"
#include "roboimi/contract/dataset.h"
#include "roboimi/contract/min_max.h"
#include "roboimi/data/checked_reads.h"
#include "roboimi/data/window_sampler.h"
#include "roboimi/rollout/evaluation_state.h"
#include "roboimi/rollout/fit.h"

namespace roboimi {
namespace {

void check_fit(const Agent& agent, const Dataset& dataset,
               const std::vector<std::int64_t>& episodes) {
  if (const std::string difference = difference_for(agent, dataset.spec()); !difference.empty()) {
    throw Error({.what = "the policy does not fit the data: " + difference,
                 .expected = "the sizes and cameras of its training data"});
  }
  if (episodes.empty()) throw Error("there are no episodes to compare with");
  for (const std::int64_t index : episodes) {
    if (index >= 0 && index < dataset.num_episodes()) continue;
    throw Error({.what = "no such episode",
                 .expected = fmt::format("0 .. {}", dataset.num_episodes() - 1),
                 .found = std::to_string(index)});
  }
}

// Replays the rows of an episode as observations.
class Replay {
 public:
  Replay(const Dataset& dataset, std::int64_t episode) : dataset_(dataset), episode_(episode) {
    for (const StreamSpec& stream : dataset.spec().streams) {
      if (!stream.is_image()) tables_[stream.name] = read_stream(dataset, episode, stream.name);
    }
  }

  Observation row(std::int64_t index, bool with_images) const {
    Observation observation;
    for (const auto& [name, table] : tables_) observation[name] = table[index];
    if (!with_images) return observation;
    for (const StreamSpec& stream : dataset_.spec().streams) {
      if (!stream.is_image()) continue;
      observation[stream.name] = read_stream(dataset_, episode_, stream.name, index, 1)[0];
    }
    return observation;
  }

 private:
  const Dataset& dataset_;
  std::int64_t episode_;
  Observation tables_;
};

// Mean squares [A] of the second differences of the rows [L, A].
at::Tensor roughness(const at::Tensor& rows) {
  if (rows.size(0) < 3) return at::zeros({rows.size(1)}, at::kDouble);
  return at::diff(rows.to(at::kDouble), 2, 0).square().mean(0);
}

// The recorded action that the policy was trained to predict at each row, [L, A].
at::Tensor targets(const Horizons& horizons, const Dataset& dataset, std::int64_t episode) {
  const EpisodeInfo& info = dataset.episode(episode);
  std::vector<std::int64_t> rows;
  for (std::int64_t row = 0; row < info.length; ++row) {
    rows.push_back(window_rows(horizons, row).first_action + horizons.first_action());
  }
  return read_actions(dataset, episode).index_select(0, at::tensor(rows));
}

OpenLoopError::Episode compare(const Agent& agent, Actor& actor, const Dataset& dataset,
                               std::int64_t episode, const OpenLoopOptions& options) {
  const Replay replay(dataset, episode);
  const at::Tensor recorded = targets(agent.horizons(), dataset, episode);
  std::vector<at::Tensor> commands;
  actor.reset(mix_seed(options.seed, static_cast<std::uint64_t>(episode)));
  for (std::int64_t row = 0; row < recorded.size(0); ++row) {
    end_if_interrupted(options.should_stop);
    commands.push_back(actor.act(replay.row(row, actor.needs_images())).clone());
  }
  const at::Tensor commanded = at::stack(commands);
  return {.index = episode,
          .num_steps = recorded.size(0),
          .mean_square = (commanded - recorded).to(at::kDouble).square().mean(0),
          .command_roughness = roughness(commanded),
          .recorded_roughness = roughness(recorded),
          .commanded = commanded,
          .recorded = recorded};
}

// The normalization of each dimension, [A].
at::Tensor half_ranges(const ActionRange& range) {
  return half_range(at::tensor(range.min, at::kDouble), at::tensor(range.max, at::kDouble));
}

double normalized(const at::Tensor& mean_square, const ActionRange& range) {
  if (std::ssize(range.min) != mean_square.size(0)) {
    throw Error({.what = "the range of the actions has the wrong size",
                 .expected = fmt::format("{} elements", mean_square.size(0)),
                 .found = std::to_string(range.min.size()),
                 .next = "use the data that the policy was trained on"});
  }
  return std::sqrt((mean_square / half_ranges(range).square()).mean().item<double>());
}

// The mean over all steps of all episodes, [A].
at::Tensor mean_over(const std::vector<OpenLoopError::Episode>& episodes,
                     at::Tensor OpenLoopError::Episode::*value) {
  ROBOIMI_CHECK(!episodes.empty(), "no episodes were compared");
  at::Tensor sum = at::zeros_like(episodes.front().*value);
  double steps = 0.0;
  for (const OpenLoopError::Episode& episode : episodes) {
    const auto count = static_cast<double>(episode.num_steps);
    sum += episode.*value * count;
    steps += count;
  }
  return sum / steps;
}

}  // namespace

at::Tensor OpenLoopError::rms() const { return mean_over(episodes, &Episode::mean_square).sqrt(); }

double OpenLoopError::normalized_rms(const ActionRange& range) const {
  return normalized(mean_over(episodes, &Episode::mean_square), range);
}

double OpenLoopError::normalized_rms(const Episode& episode, const ActionRange& range) {
  return normalized(episode.mean_square, range);
}

double OpenLoopError::roughness_ratio(const ActionRange& range) const {
  return normalized(mean_over(episodes, &Episode::command_roughness), range) /
         normalized(mean_over(episodes, &Episode::recorded_roughness), range);
}

OpenLoopError open_loop_error(Agent& agent, const Dataset& dataset,
                              const std::vector<std::int64_t>& episodes,
                              const OpenLoopOptions& options) {
  check_fit(agent, dataset, episodes);
  const EvaluationState evaluation(agent);
  const std::unique_ptr<Actor> actor = require_actor(agent, {}, agent.name());
  OpenLoopError error;
  for (const std::int64_t episode : episodes) {
    error.episodes.push_back(compare(agent, *actor, dataset, episode, options));
    if (options.progress) options.progress(static_cast<std::int64_t>(error.episodes.size()));
  }
  return error;
}

}  // namespace roboimi
