// The episodes of a dataset that are held out of training for validation.
//
//   HeldOut held_out{.fraction = 0.05};
//   held_out.of(40);   // {10, 30}
#pragma once

#include <cstdint>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/config/declare.h"
#include "roboimi/config/node.h"

namespace roboimi {

struct HeldOut {
  std::int64_t episodes = 0;  // the last N, or
  double fraction = 0.0;      // a share, spread evenly over the dataset

  // Ascending. The share is rounded up, but leaves at least one episode to train on. Throws Error
  // if `episodes` leaves none.
  ROBOIMI_EXPORT std::vector<std::int64_t> of(std::int64_t num_episodes) const;
};

// The options held_out_episodes and held_out_fraction.
ROBOIMI_EXPORT void declare(OptionFields& fields, HeldOut& options);

// The same options of an experiment's configuration; 0 where it has none.
ROBOIMI_EXPORT HeldOut held_out_of(const ConfigNode& config);

}  // namespace roboimi
