// Config options of the datasets and the writer.
#include <cstdint>
#include <optional>

#include "plugins/hdf5_dataset/hdf5_dataset.h"
#include "plugins/hdf5_dataset/hdf5_episode_writer.h"
#include "plugins/hdf5_dataset/robomimic_dataset.h"
#include "roboimi/config/declare.h"

namespace roboimi::hdf5_dataset {

static void declare(OptionFields& fields, DatasetOptions& o) {
  fields.required_path("path", o.path, "folder of episode_N.hdf5 files, or one file");
  fields.texts("camera_names", o.camera_names,
               "cameras to load, by their names in /observations/images; default: all of the first "
               "episode, except depth");
  fields.texts("stream_names", o.stream_names,
               "additional streams to load, by their names in /observations: depth [L, H, W] as "
               "float32 (meters) or uint16 (millimeters), vectors [L, n], text as uint8 [L, "
               "bytes]; default: "
               "task, if every episode has it as text");
  fields
      .number("control_hz", o.control_hz,
              "control rate; default: the one in the attributes control_hz, if any")
      .at_least(0.001)
      .with_unit("Hz");
  fields.texts("episodes", o.episodes,
               "use only these episodes, by number N of episode_N.hdf5 and range, such as 0-9,12; "
               "default: all");
  std::optional<std::int64_t> max_episodes;
  fields.integer("max_episodes", max_episodes, "use only the first N episodes; default all")
      .at_least(1);
  o.max_episodes = max_episodes.value_or(0);
  fields.boolean("shift_real_actions", o.shift_real_actions,
                 "in episodes with `sim` false, pair row t with the action recorded at row t - 1, "
                 "as in ACT's training");
  declare_unreadable(fields, o.unreadable);
}

static void declare(OptionFields& fields, RobomimicOptions& o) {
  fields.required_path("path", o.path, "HDF5 file with all demonstrations");
  fields.texts("camera_names", o.camera_names,
               "cameras to load, by their names in obs; default: all that hold color frames");
  fields.texts("state", o.state,
               "names in obs of the vectors that form the state, in this order; default: state, "
               "qpos, robosuite's poses and grippers, or the only vector");
  fields.texts("actions", o.actions,
               "names in the demonstration of the tables that form the action, in this order; "
               "default: actions");
  fields.optional_text("filter_key", o.filter_key,
                       "use only the demonstrations listed in /mask/FILTER_KEY, such as train");
  fields.number("control_hz", o.control_hz, "control rate; default: the one in env_args, if any")
      .at_least(0.001)
      .with_unit("Hz");
  fields.texts("episodes", o.episodes,
               "use only these demonstrations, by number N of demo_N and range, such as 0-9,12; "
               "default: all");
  std::optional<std::int64_t> max_episodes;
  fields.integer("max_episodes", max_episodes, "use only the first N demonstrations; default all")
      .at_least(1);
  o.max_episodes = max_episodes.value_or(0);
  declare_unreadable(fields, o.unreadable);
}

static void declare(OptionFields& fields, WriterOptions& o) {
  fields.choice("compress", o.compress,
                {{Compression::kNone, "none"}, {Compression::kJpeg, "jpeg"}},
                "storage of frames; uncompressed frames are memory-mapped for training");
  fields.integer("quality", o.quality, "JPEG quality").range(1, 100);
}

Schema dataset_schema() { return schema_of<DatasetOptions>(); }

std::shared_ptr<Dataset> create_dataset(const Options& options) {
  return std::make_shared<Hdf5Dataset>(options_from<DatasetOptions>(options));
}

Schema robomimic_schema() { return schema_of<RobomimicOptions>(); }

std::shared_ptr<Dataset> create_robomimic(const Options& options) {
  return std::make_shared<RobomimicDataset>(options_from<RobomimicOptions>(options));
}

Schema writer_schema() { return schema_of<WriterOptions>(); }

std::shared_ptr<EpisodeWriter> create_writer(const Options& options) {
  return std::make_shared<Hdf5EpisodeWriter>(options_from<WriterOptions>(options));
}

}  // namespace roboimi::hdf5_dataset
