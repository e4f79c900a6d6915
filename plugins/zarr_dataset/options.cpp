// Config options of the dataset.
#include <cstdint>
#include <optional>

#include "plugins/zarr_dataset/zarr_dataset.h"
#include "roboimi/config/declare.h"

namespace roboimi::zarr_dataset {

static void declare(OptionFields& fields, DatasetOptions& o) {
  fields.required_path("path", o.path, "folder or zip archive of a ReplayBuffer");
  fields.texts("camera_names", o.camera_names,
               "cameras to load, by their names in data/; default: every [N, H, W, 3]");
  fields.texts("state", o.state,
               "names in data/ of the vectors that form the state, in this order, with columns as "
               "in state[0:2]; default: agent_pos, state, UMI's poses and grippers, or the only "
               "vector");
  fields.texts("actions", o.actions,
               "names in data/ of the vectors that form the action, in this order; default: action "
               "or actions");
  fields.number("control_hz", o.control_hz, "control rate, which the format does not record")
      .at_least(0.001)
      .with_unit("Hz");
  fields.texts("episodes", o.episodes,
               "use only these episodes, by number and range, such as 0-9,12; default: all");
  std::optional<std::int64_t> max_episodes;
  fields.integer("max_episodes", max_episodes, "use only the first N episodes; default all")
      .at_least(1);
  o.max_episodes = max_episodes.value_or(0);
  fields.choice("missing_chunks", o.missing_chunks,
                {{MissingChunks::kError, "error"}, {MissingChunks::kFill, "fill"}},
                "what to do about a missing chunk; fill: use the array's fill_value");
  fields.choice("unreadable", o.unreadable,
                {{Unreadable::kError, "error"}, {Unreadable::kSkip, "skip"}},
                "what to do about an array that cannot be read, such as one with an unknown codec, "
                "if no option names it, and about an episode with a missing chunk: skip leaves it "
                "out, with a warning");
}

Schema dataset_schema() { return schema_of<DatasetOptions>(); }

std::shared_ptr<Dataset> create_dataset(const Options& options) {
  return std::make_shared<ZarrDataset>(options_from<DatasetOptions>(options));
}

}  // namespace roboimi::zarr_dataset
