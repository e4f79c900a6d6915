// What the training episodes say of themselves: for the agent to normalise by, and for a policy on
// a robot to be held to.
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

// Over all rows of `episodes` (empty: all). `embeddings` may be nullptr; all variants count, and
// none are taken of features that are normalized already.
// Error when there is no row or a value is not finite.
ROBOIMI_EXPORT DatasetStatistics dataset_statistics(const Dataset& dataset,
                                                    const std::vector<std::int64_t>& episodes,
                                                    const Embeddings* embeddings = nullptr);

// Of the rows that the statistics were taken of.
ROBOIMI_EXPORT StateRange state_range(const Statistics& states);

// Over all rows of `episodes` (empty: all); a step is one from row to row of one episode.
ROBOIMI_EXPORT ActionRange action_range(const Dataset& dataset,
                                        const std::vector<std::int64_t>& episodes);

// Of a frozen backbone whose features are not cached: from at most `max_frames` frames, evenly
// spread over the rows of `episodes` (empty: all), in evaluation mode.
ROBOIMI_EXPORT Statistics sampled_feature_statistics(Backbone& backbone, const Dataset& dataset,
                                                     const std::vector<std::int64_t>& episodes,
                                                     c10::Device device,
                                                     std::int64_t max_frames = 256);

// Error, naming the file and the row, when a state, an action or an env_state is NaN or infinite: a
// policy would learn nothing but NaN from it. Error too when one is not as the spec announces.
ROBOIMI_EXPORT void check_finite(const Dataset& dataset);

}  // namespace roboimi
