#include "roboimi/data/statistics.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/utils.h>

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "roboimi/common/error.h"
#include "roboimi/common/random.h"
#include "roboimi/contract/mode_guard.h"
#include "roboimi/data/checked_reads.h"

namespace roboimi {
namespace {

constexpr bool kWithPercentiles = true;
constexpr const char* kActions = "action";  // as Agent::check_rows() names them
constexpr std::int64_t kMostRelativeRows = 2'000'000;
constexpr std::int64_t kMostNumbersAtOnce = std::int64_t{1} << 28;  // 2 GB as float64

// The stream's name with an article, for error messages.
std::string with_article(const std::string& stream) {
  if (stream == kState) return "a state";
  if (stream == kEnvState) return "an env_state";
  return fmt::format("the stream '{}'", stream);
}

// `episode`: its position in the dataset; several episodes may share the file.
void check_finite(const at::Tensor& rows, const std::string& what, std::int64_t episode,
                  const std::filesystem::path& file) {
  if (!rows.defined()) return;
  const at::Tensor bad = at::isfinite(rows).logical_not();
  const std::int64_t count = bad.sum().item<std::int64_t>();
  if (count == 0) return;
  const at::Tensor first = bad.nonzero()[0];
  const auto row = first[0].item<std::int64_t>(), column = first[1].item<std::int64_t>();
  throw Error({.what = fmt::format("{} is not finite", what),
               .where = file.string(),
               .expected = "finite values",
               .found = fmt::format("{} in episode {}, row {}, column {} ({} such values in total)",
                                    rows[row][column].item<double>(), episode, row, column, count),
               .next = "fix the episode, or leave it out: list the others, by their numbers in the "
                       "dataset, in data.episodes, such as [0-6, 8-49]"});
}

std::vector<std::int64_t> all_if_empty(const Dataset& dataset, std::vector<std::int64_t> episodes) {
  if (episodes.empty()) {
    episodes.resize(static_cast<std::size_t>(dataset.num_episodes()));
    std::iota(episodes.begin(), episodes.end(), std::int64_t{0});
  }
  return episodes;
}

// Statistics of the actions of all windows minus the state of the window's last observation. Each
// episode has its actions [L, A] and its states [L, A].
Statistics relative_actions(const std::vector<at::Tensor>& actions,
                            const std::vector<at::Tensor>& states, const Horizons& horizons) {
  std::int64_t num_rows = 0;
  for (const at::Tensor& episode : actions) num_rows += episode.size(0);
  const std::int64_t every = (num_rows * horizons.pred + kMostRelativeRows - 1) / kMostRelativeRows;
  // Row t + offset holds an action of the window whose last observation is row t. Every n-th pair
  // is taken, counted through all episodes, so that short ones have no larger share.
  std::vector<at::Tensor> differences;
  std::int64_t count = 0;
  for (std::size_t i = 0; i < actions.size(); ++i) {
    const std::int64_t length = actions[i].size(0);
    for (std::int64_t step = 0; step < horizons.pred; ++step) {
      const std::int64_t offset = step - horizons.first_action();
      const std::int64_t begin = std::max<std::int64_t>(0, -offset);
      const std::int64_t last = std::min(length, length - offset);
      const std::int64_t first = begin + (every - count % every) % every;
      count += std::max<std::int64_t>(last - begin, 0);
      if (first >= last) continue;
      differences.push_back(actions[i].slice(0, first + offset, last + offset, every) -
                            states[i].slice(0, first, last, every));
    }
  }
  return Statistics::of(at::cat(differences), kWithPercentiles);
}

// The distinct strings of each text stream.
std::map<std::string, std::vector<std::string>> distinct_texts(const Dataset& dataset) {
  std::map<std::string, std::vector<std::string>> texts;
  for (const StreamSpec& stream : dataset.spec().streams) {
    if (stream.kind != StreamKind::kText) continue;
    std::set<std::string> found;
    for (std::int64_t episode = 0; episode < dataset.num_episodes(); ++episode) {
      const at::Tensor rows = read_stream(dataset, episode, stream.name);
      const at::Tensor distinct = std::get<0>(at::unique_dim(rows, 0));
      for (std::int64_t i = 0; i < distinct.size(0); ++i) found.insert(text_of(distinct[i]));
    }
    texts[stream.name].assign(found.begin(), found.end());
  }
  return texts;
}

void require_finite_features(const at::Tensor& features, const std::string& where) {
  if (at::isfinite(features).all().item<bool>()) return;
  throw Error({.what = "the frozen backbone returned features that are NaN or infinite",
               .where = where,
               .next = "check its weights: roboimi checkpoint inspect FILE"});
}

Statistics statistics_of_features(const at::Tensor& features, const std::string& where) {
  require_finite_features(features, where);
  return Statistics::of(features);
}

Statistics statistics_of_features(const Embeddings& embeddings,
                                  const std::vector<std::int64_t>& episodes) {
  std::int64_t num_rows = 0;
  for (const std::int64_t episode : episodes) {
    const auto i = static_cast<std::size_t>(episode);
    num_rows += (embeddings.first[i + 1] - embeddings.first[i]) * embeddings.values.size(1);
  }
  const std::int64_t dim = embeddings.values.size(2);
  if (num_rows * dim > kMostNumbersAtOnce) {
    return statistics_in_blocks(embeddings, episodes, kMostNumbersAtOnce / 16 / dim + 1);
  }
  const at::Tensor features = embeddings.of_episodes(episodes).flatten(0, 1).to(at::kFloat);
  return statistics_of_features(features, embeddings.file.string());
}

// Calls `use` with float64 [n, V] for all features of the episodes, n <= block_rows.
void for_each_block(const Embeddings& embeddings, const std::vector<std::int64_t>& episodes,
                    std::int64_t block_rows, const std::function<void(const at::Tensor&)>& use) {
  for (const std::int64_t episode : episodes) {
    const auto i = static_cast<std::size_t>(episode);
    const at::Tensor rows =
        embeddings.values.slice(0, embeddings.first[i], embeddings.first[i + 1]).flatten(0, 1);
    for (std::int64_t row = 0; row < rows.size(0); row += block_rows) {
      use(rows.slice(0, row, row + block_rows).to(at::kDouble));
    }
  }
}

void check_rows_for(const Agent* agent, const std::string& stream, const at::Tensor& rows,
                    std::int64_t episode, const std::filesystem::path& file) {
  check_finite(rows, stream == kActions ? "an action" : with_article(stream), episode, file);
  if (agent == nullptr) return;
  try {
    agent->check_rows(stream, rows);
  } catch (const Error& error) {
    Error::Parts parts = error.parts();
    parts.where = parts.where.empty() ? file.string() : file.string() + ", " + parts.where;
    throw Error(parts);
  }
}

void check_all_rows(const Dataset& dataset, const Agent* agent) {
  for (std::int64_t i = 0; i < dataset.num_episodes(); ++i) {
    const std::filesystem::path& file = dataset.episode(i).file;
    check_rows_for(agent, kActions, read_actions(dataset, i), i, file);
    for (const StreamSpec& stream : dataset.spec().streams) {
      if (stream.kind != StreamKind::kVector) continue;
      check_rows_for(agent, stream.name, read_stream(dataset, i, stream.name), i, file);
    }
  }
}

}  // namespace

void check_finite(const Dataset& dataset) { check_all_rows(dataset, nullptr); }

void check_rows(const Dataset& dataset, const Agent& agent) { check_all_rows(dataset, &agent); }

DatasetStatistics dataset_statistics(const Dataset& dataset,
                                     const std::vector<std::int64_t>& episodes,
                                     const Embeddings* embeddings, const Horizons* horizons) {
  // Collect the rows of the chosen episodes.
  const std::vector<std::int64_t> chosen = all_if_empty(dataset, episodes);
  std::vector<at::Tensor> actions;
  std::map<std::string, std::vector<at::Tensor>> vectors;
  std::int64_t num_rows = 0;
  for (const std::int64_t episode : chosen) {
    num_rows += dataset.episode(episode).length;
    actions.push_back(read_actions(dataset, episode));
    for (const StreamSpec& stream : dataset.spec().streams) {
      if (stream.kind != StreamKind::kVector) continue;
      vectors[stream.name].push_back(read_stream(dataset, episode, stream.name));
    }
  }
  if (actions.empty()) throw Error({.what = "there are no episodes to compute statistics from"});
  // Statistics of actions and vector streams.
  DatasetStatistics statistics{.action = Statistics::of(at::cat(actions), kWithPercentiles)};
  if (horizons != nullptr && dataset.spec().state_dim() == dataset.spec().action_dim) {
    statistics.relative_action = relative_actions(actions, vectors.at(kState), *horizons);
  }
  statistics.texts = distinct_texts(dataset);
  if (!vectors.contains(kState)) vectors[kState] = {at::zeros({num_rows, 0})};
  for (const auto& [name, rows] : vectors) {
    Statistics found = Statistics::of(at::cat(rows), kWithPercentiles);
    if (name == kState) {
      statistics.state = std::move(found);
    } else if (name == kEnvState) {
      statistics.env_state = std::move(found);
    } else {
      statistics.vectors[name] = std::move(found);
    }
  }
  // Statistics of features.
  if (embeddings != nullptr && !embeddings->are_normalized) {
    statistics.features = statistics_of_features(*embeddings, chosen);
  }
  return statistics;
}

Statistics statistics_in_blocks(const Embeddings& embeddings,
                                const std::vector<std::int64_t>& episodes,
                                std::int64_t block_rows) {
  // The range and the mean.
  at::Tensor low, high, sum;
  double count = 0.0;
  for_each_block(embeddings, episodes, block_rows, [&](const at::Tensor& block) {
    require_finite_features(block, embeddings.file.string());
    low = low.defined() ? at::minimum(low, block.amin(0)) : block.amin(0);
    high = high.defined() ? at::maximum(high, block.amax(0)) : block.amax(0);
    sum = sum.defined() ? sum + block.sum(0) : block.sum(0);
    count += static_cast<double>(block.size(0));
  });
  if (!sum.defined()) throw Error({.what = "there are no features to compute statistics from"});
  // The deviations from the mean.
  const at::Tensor mean = sum / count, squares = at::zeros_like(mean);
  at::Tensor covariance;
  if (mean.size(0) <= Statistics::kLargestCovariance) {
    covariance = at::zeros({mean.size(0), mean.size(0)}, at::kDouble);
  }
  for_each_block(embeddings, episodes, block_rows, [&](const at::Tensor& block) {
    const at::Tensor centered = block - mean;
    squares.add_(centered.square().sum(0));
    if (covariance.defined()) covariance.add_(centered.t().mm(centered));
  });
  return {.min = low.to(at::kFloat),
          .max = high.to(at::kFloat),
          .mean = mean.to(at::kFloat),
          .std = (squares / count).sqrt().to(at::kFloat),
          .covariance = covariance.defined() ? covariance / count : covariance};
}

StateRange state_range(const Statistics& states) {
  const auto numbers = [](const at::Tensor& values) {
    const at::Tensor doubles = values.to(at::kCPU, at::kDouble).contiguous();
    const double* first = doubles.const_data_ptr<double>();
    return std::vector<double>(first, first + doubles.numel());
  };
  return {.min = numbers(states.min), .max = numbers(states.max)};
}

ActionRange action_range(const Dataset& dataset, const std::vector<std::int64_t>& episodes) {
  at::Tensor low, high, step;
  for (const std::int64_t episode : all_if_empty(dataset, episodes)) {
    const at::Tensor actions = read_actions(dataset, episode).to(at::kDouble);
    // Prepend the first row, so that an episode with one row has a step of 0.
    const at::Tensor steps = actions.diff(1, 0, actions.slice(0, 0, 1)).abs().amax(0);
    low = low.defined() ? at::minimum(low, actions.amin(0)) : actions.amin(0);
    high = high.defined() ? at::maximum(high, actions.amax(0)) : actions.amax(0);
    step = step.defined() ? at::maximum(step, steps) : steps;
  }
  if (!low.defined()) {
    throw Error({.what = "there are no episodes to compute the range of actions from"});
  }
  const auto numbers = [](const at::Tensor& x) {
    const auto values = x.contiguous();
    return std::vector<double>(values.const_data_ptr<double>(),
                               values.const_data_ptr<double>() + values.numel());
  };
  return {.min = numbers(low), .max = numbers(high), .largest_step = numbers(step)};
}

Statistics sampled_feature_statistics(Backbone& backbone, const Dataset& dataset,
                                      const std::vector<std::int64_t>& episodes, c10::Device device,
                                      std::int64_t max_frames) {
  const torch::NoGradGuard no_grad;
  const ModeGuard mode(backbone, /*training=*/false);
  // Choose every n-th row of all chosen episodes.
  const std::vector<std::int64_t> chosen = all_if_empty(dataset, episodes);
  std::int64_t num_rows = 0;
  for (const std::int64_t episode : chosen) num_rows += dataset.episode(episode).length;
  const std::int64_t every = std::max<std::int64_t>(1, (num_rows + max_frames - 1) / max_frames);
  // Encode these rows.
  at::Generator unused = make_generator(0, device);
  std::vector<at::Tensor> features;
  std::int64_t start = 0;
  for (const std::int64_t episode : chosen) {
    const std::int64_t length = dataset.episode(episode).length;
    for (std::int64_t row = (every - start % every) % every; row < length; row += every) {
      Observation streams;
      for (const std::string& name : backbone.stream_names()) {
        streams[name] = read_stream(dataset, episode, name, row, 1).unsqueeze(1).to(device);
      }
      features.push_back(backbone.encode(streams, unused).flatten(0, 1).cpu());
    }
    start += length;
  }
  return statistics_of_features(at::cat(features), backbone.name());
}

}  // namespace roboimi
