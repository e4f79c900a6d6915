// Config options of the dataset and the writer.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <optional>

#include "plugins/lerobot_dataset/lerobot_dataset.h"
#include "plugins/lerobot_dataset/lerobot_episode_writer.h"
#include "roboimi/common/paths.h"
#include "roboimi/config/declare.h"

namespace roboimi::lerobot_dataset {

static void check_weights(const DatasetOptions& o, const Options& options) {
  if (o.weights.empty()) return;
  const std::size_t num_folders = 1 + o.more_paths.size();
  if (o.weights.size() != num_folders) {
    options.fail(
        "weights", "not one weight per folder",
        fmt::format("as many numbers as folders in data.path and data.more_paths: {}", num_folders),
        "the first weight is that of data.path");
  }
  if (std::ranges::all_of(o.weights, [](double weight) { return weight == 0.0; })) {
    options.fail("weights", "all weights are 0", "at least one weight above 0",
                 "leave weights out to count every row the same");
  }
}

static void declare(OptionFields& fields, DatasetOptions& o) {
  fields.required_path("path", o.path, "folder of the dataset, with meta/, data/ and videos/");
  std::vector<std::string> more_paths;
  fields.texts("more_paths", more_paths, "folders with the same streams, whose episodes follow");
  fields
      .numbers(
          "weights", o.weights,
          "shares of the training windows drawn from each folder, whatever its size, first that "
          "of path, such as [3, 1]; 0: not trained on; empty: every row counts the same")
      .at_least(0.0)
      .not_in_cache_keys();
  fields.texts("camera_names", o.camera_names,
               "cameras to load: `front` for the feature observation.images.front, or names of "
               "features; empty: all");
  fields.texts("state", o.state,
               "features of the robot's state, one after the other; empty: observation.state, else "
               "state; [none]: no state");
  fields.texts("actions", o.actions,
               "features of the actions, one after the other; empty: action, else actions");
  fields.texts("streams", o.streams,
               "additional features to load as streams of their names: vectors and strings");
  fields.text("task", o.task,
              "column of the instruction: indices into the task table (`subtask_index`: into the "
              "table of subtasks), or strings; `none`: no stream `task`");
  fields.texts("episodes", o.episodes,
               "use only these episodes, by number and range, such as 0-9,12; empty: all");
  std::optional<std::int64_t> max_episodes;
  fields.integer("max_episodes", max_episodes, "use only the first N episodes; default all")
      .at_least(1);
  fields.choice("unreadable", o.unreadable,
                {{UnreadableEpisodes::kError, "error"}, {UnreadableEpisodes::kSkip, "skip"}},
                "what to do about an episode whose rows, videos or images cannot be read, such as "
                "one with a null or in a file that is damaged or missing: skip leaves it out, with "
                "a warning");
  fields.when_read([&](const Options& options) {
    for (const std::string& path : more_paths) o.more_paths.push_back(absolute_path(path));
    o.max_episodes = max_episodes.value_or(0);
    check_weights(o, options);
  });
}

static void declare(OptionFields& fields, WriterOptions& o) {
  fields.choice("codec", o.frames,
                {{FrameStorage::kH264, "h264"},
                 {FrameStorage::kAv1, "av1"},
                 {FrameStorage::kLossless, "lossless"},
                 {FrameStorage::kPng, "png"}},
                "storage of frames: videos in H.264 or AV1 with a keyframe every 2 frames, "
                "lossless H.264, or lossless PNG images in the data files");
  fields.integer("crf", o.crf, "constant rate factor of h264 (up to 51) and av1").range(0, 63);
  fields.when_read([&](const Options& options) {
    if (o.frames != FrameStorage::kH264 || o.crf <= 51) return;
    options.fail("crf", "too large for codec: h264", "0 to 51");
  });
  fields.text("task", o.task, "instruction of rows without a string in the stream `task`");
  fields.optional_text("robot_type", o.robot_type, "`robot_type` in meta/info.json");
  fields.choice("depth", o.depth,
                {{DepthStreams::kRefuse, "refuse"}, {DepthStreams::kSkip, "skip"}},
                "depth streams, which the format cannot store exactly");
}

Schema dataset_schema() { return schema_of<DatasetOptions>(); }

std::shared_ptr<Dataset> create_dataset(const Options& options) {
  return std::make_shared<LerobotDataset>(options_from<DatasetOptions>(options));
}

Schema writer_schema() { return schema_of<WriterOptions>(); }

std::shared_ptr<EpisodeWriter> create_writer(const Options& options) {
  return std::make_shared<LerobotEpisodeWriter>(options_from<WriterOptions>(options));
}

}  // namespace roboimi::lerobot_dataset
