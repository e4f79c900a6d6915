#include "roboimi/train/held_out.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "roboimi/common/error.h"

namespace roboimi {

std::vector<std::int64_t> HeldOut::of(std::int64_t num_episodes) const {
  if (episodes > 0 && episodes >= num_episodes) {
    throw Error({.what = "no episodes are left to train on",
                 .where = "train.held_out_episodes",
                 .expected = fmt::format("fewer than the dataset's {} episodes", num_episodes),
                 .found = std::to_string(episodes)});
  }
  std::vector<std::int64_t> chosen;
  if (fraction > 0.0) {
    const auto share =
        static_cast<std::int64_t>(std::ceil(fraction * static_cast<double>(num_episodes)));
    const std::int64_t count = std::clamp<std::int64_t>(share, 0, num_episodes - 1);
    // The middle of each of `count` equal parts.
    for (std::int64_t i = 0; i < count; ++i) {
      chosen.push_back((2 * i + 1) * num_episodes / (2 * count));
    }
    return chosen;
  }
  chosen.resize(static_cast<std::size_t>(episodes));
  std::iota(chosen.begin(), chosen.end(), num_episodes - episodes);
  return chosen;
}

void declare(OptionFields& fields, HeldOut& o) {
  fields
      .integer("held_out_episodes", o.episodes,
               "number of episodes, the last of the dataset, used for validation instead of "
               "training")
      .at_least(0);
  fields
      .number("held_out_fraction", o.fraction,
              "share of the episodes, spread evenly over the dataset, used for validation instead "
              "of training; replaces held_out_episodes")
      .range(0.0, 0.9);
  fields.when_read([&](const Options& options) {
    if (o.episodes == 0 || o.fraction == 0.0) return;
    options.fail("held_out_fraction", "held_out_episodes is set, too", "only one of the two");
  });
}

HeldOut held_out_of(const ConfigNode& config) {
  ConfigNode train = ConfigNode::map();
  for (const std::string key : {"held_out_episodes", "held_out_fraction"}) {
    const ConfigNode* stated = config.find_path("train." + key);
    if (stated != nullptr && !stated->is_null()) train.set(key, *stated);
  }
  return options_from<HeldOut>(parse_options(train, schema_of<HeldOut>(), "train"));
}

}  // namespace roboimi
