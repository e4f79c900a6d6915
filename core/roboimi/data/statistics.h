// Statistics of the training episodes: for the agent's normalization, and for the limits of a
// policy on a robot.
#pragma once

#include <cstdint>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/action_range.h"
#include "roboimi/contract/agent.h"
#include "roboimi/contract/backbone.h"
#include "roboimi/contract/dataset.h"
#include "roboimi/data/embedding_cache.h"

namespace roboimi {

// Statistics over all rows of `episodes` (empty: all episodes). `embeddings` may be nullptr; all
// variants of the features are included. There are no statistics of features that are already
// normalized. With `horizons`, the statistics of relative actions are included, from evenly spaced
// windows if there are very many. Throws Error if there are no rows or a value is not finite.
ROBOIMI_EXPORT DatasetStatistics dataset_statistics(const Dataset& dataset,
                                                    const std::vector<std::int64_t>& episodes,
                                                    const Embeddings* embeddings = nullptr,
                                                    const Horizons* horizons = nullptr);

// Statistics of the features of `episodes`, without percentiles: Statistics::of() up to rounding,
// but only `block_rows` rows at a time are converted to float64. dataset_statistics() uses it for
// large caches, which would need several times their size in memory. Throws Error like it.
ROBOIMI_EXPORT Statistics statistics_in_blocks(const Embeddings& embeddings,
                                               const std::vector<std::int64_t>& episodes,
                                               std::int64_t block_rows);

// The range of the states in these statistics.
ROBOIMI_EXPORT StateRange state_range(const Statistics& states);

// The range of the actions in `episodes` (empty: all episodes), and the largest step between
// consecutive rows of an episode.
ROBOIMI_EXPORT ActionRange action_range(const Dataset& dataset,
                                        const std::vector<std::int64_t>& episodes);

// Statistics of the features of a frozen backbone without a cache: from at most `max_frames`
// frames, evenly spaced over the rows of `episodes` (empty: all episodes), in evaluation mode.
ROBOIMI_EXPORT Statistics sampled_feature_statistics(Backbone& backbone, const Dataset& dataset,
                                                     const std::vector<std::int64_t>& episodes,
                                                     c10::Device device,
                                                     std::int64_t max_frames = 256);

// Throws Error, naming the file and the row, if an action or a vector stream has NaN or infinite
// values, which would turn all weights into NaN, or if one does not match the spec.
ROBOIMI_EXPORT void check_finite(const Dataset& dataset);
// check_finite() and, for the same rows, Agent::check_rows(), whose Error then names the file too.
ROBOIMI_EXPORT void check_rows(const Dataset& dataset, const Agent& agent);

}  // namespace roboimi
