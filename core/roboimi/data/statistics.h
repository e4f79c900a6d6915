// What the training episodes say of themselves, for the agent to normalise by.
#pragma once

#include <cstdint>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/data/dataset.h"
#include "roboimi/data/embedding_cache.h"
#include "roboimi/model/agent.h"

namespace roboimi {

// Over all rows of `episodes` (empty: all). `embeddings` may be nullptr; all variants count.
// Error when there is no row or a value is not finite.
ROBOIMI_EXPORT DatasetStatistics dataset_statistics(const Dataset& dataset,
                                                    const std::vector<std::int64_t>& episodes,
                                                    const Embeddings* embeddings = nullptr);

}  // namespace roboimi
