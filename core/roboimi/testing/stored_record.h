// The comparison of an episode that a dataset reads with the record that was written. Internal to
// testing.
#pragma once

#include <cstdint>

#include "roboimi/contract/dataset.h"
#include "roboimi/contract/episode_writer.h"

namespace roboimi::testing {

// Throws CheckFailure for the first difference. Frames and depth may change by compression, depth
// may have another dtype and unit, and strings other padding.
void require_stored(const Dataset& dataset, std::int64_t index, const EpisodeRecord& record);

}  // namespace roboimi::testing
