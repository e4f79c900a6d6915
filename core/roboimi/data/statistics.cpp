#include "roboimi/data/statistics.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>

#include <numeric>

#include "roboimi/common/error.h"

namespace roboimi {

DatasetStatistics dataset_statistics(const Dataset& dataset,
                                     const std::vector<std::int64_t>& episodes,
                                     const Embeddings* embeddings) {
  std::vector<std::int64_t> chosen = episodes;
  if (chosen.empty()) {
    chosen.resize(static_cast<std::size_t>(dataset.num_episodes()));
    std::iota(chosen.begin(), chosen.end(), std::int64_t{0});
  }
  std::vector<at::Tensor> states, actions, env_states;
  for (const std::int64_t episode : chosen) {
    states.push_back(dataset.state(episode));
    actions.push_back(dataset.actions(episode));
    if (const at::Tensor env_state = dataset.env_state(episode); env_state.defined()) {
      env_states.push_back(env_state);
    }
  }
  if (states.empty()) throw Error({.what = "no episodes to take statistics of"});
  DatasetStatistics statistics{.state = Statistics::of(at::cat(states)),
                               .action = Statistics::of(at::cat(actions)),
                               .env_state = std::nullopt,
                               .features = std::nullopt};
  if (env_states.size() == states.size()) {
    statistics.env_state = Statistics::of(at::cat(env_states));
  }
  // Pixels, which are kept in half, are normalised already.
  if (embeddings != nullptr && embeddings->values.scalar_type() == at::kFloat) {
    statistics.features = Statistics::of(embeddings->of_episodes(chosen).flatten(0, 1));
  }
  return statistics;
}

}  // namespace roboimi
