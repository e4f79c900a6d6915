#include "plugins/lerobot_dataset/lerobot_episode_writer.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "plugins/lerobot_dataset/column_table.h"
#include "plugins/lerobot_dataset/episode_archive.h"
#include "plugins/lerobot_dataset/episode_placement.h"
#include "plugins/lerobot_dataset/written_features.h"
#include "roboimi/common/error.h"
#include "roboimi/common/log.h"
#include "roboimi/io/image.h"
#include "roboimi/io/video.h"

namespace roboimi::lerobot_dataset {
namespace {

namespace fs = std::filesystem;

using Kind = WrittenFeature::Kind;

constexpr std::int64_t kRowsAtOnce = 32;  // frames in memory

VideoEncoding encoding_of(const WriterOptions& options) {
  VideoEncoding encoding =
      options.frames == FrameStorage::kAv1 ? kRandomAccessAv1 : kRandomAccessH264;
  encoding.rate_factor = options.crf;
  if (options.frames == FrameStorage::kLossless) encoding.codec = VideoEncoding::Codec::kLossless;
  return encoding;
}

// Calls `use` with consecutive blocks of the camera's frames, uint8 [n, H, W, 3]. Returns the
// statistics of all.
FeatureStats read_frames(const EpisodeRecord& record, const StreamSpec& camera,
                         const std::function<void(const at::Tensor& frames)>& use) {
  const std::int64_t length = record.actions.size(0);
  FrameStats stats(length);
  for (std::int64_t first = 0; first < length; first += kRowsAtOnce) {
    const at::Tensor frames =
        record.images(camera, first, std::min(kRowsAtOnce, length - first)).contiguous();
    use(frames);
    stats.add(frames);
  }
  return stats.result();
}

FeatureStats write_video(const fs::path& file, const EpisodeRecord& record,
                         const StreamSpec& camera, const WriterOptions& options) {
  VideoWriter video(file, camera.size(), record.control_hz, encoding_of(options));
  const FeatureStats stats = read_frames(record, camera, [&](const at::Tensor& frames) {
    for (std::int64_t row = 0; row < frames.size(0); ++row) video.add(frames[row]);
  });
  video.close();
  return stats;
}

// A struct {bytes, path} per row, as the library `datasets` stores images.
FeatureStats add_images(ColumnTable& table, const std::string& name, const EpisodeRecord& record,
                        const StreamSpec& camera) {
  std::vector<std::string> images, paths;
  const FeatureStats stats = read_frames(record, camera, [&](const at::Tensor& frames) {
    const std::size_t first = images.size();
    images.resize(first + static_cast<std::size_t>(frames.size(0)));
    at::parallel_for(0, frames.size(0), 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        const std::vector<std::uint8_t> png = encode_png(frames[row]);
        images[first + static_cast<std::size_t>(row)].assign(png.begin(), png.end());
      }
    });
  });
  for (std::size_t row = 0; row < images.size(); ++row) {
    paths.push_back(fmt::format("frame-{:06}.png", row));
  }
  table.add({.name = name + ".bytes", .type = parquet::Type::kByteArray},
            {.values = std::move(images)});
  table.add_texts(name + ".path", std::move(paths));
  return stats;
}

void add_texts(ColumnTable& table, const std::string& name, const at::Tensor& values) {
  std::vector<std::string> texts;
  for (std::int64_t row = 0; row < values.size(0); ++row) texts.push_back(text_of(values[row]));
  table.add_texts(name, std::move(texts));
}

}  // namespace

fs::path LerobotEpisodeWriter::file_of(const fs::path& folder, std::int64_t index) const {
  return table_path(folder, index);
}

// A policy with a language input would learn from an instruction that nobody gave.
void LerobotEpisodeWriter::note_default_task(const EpisodeRecord& record) const {
  const bool is_default = options_.task == WriterOptions{}.task &&
                          std::ranges::count(record.streams, kTask, &StreamSpec::name) == 0;
  if (!is_default || has_noted_task_.exchange(true)) return;
  logger().warn(
      "lerobot_episode_writer: the episodes have no instruction and get the task '{}'; name it "
      "with writer.task=TEXT",
      options_.task);
}

void LerobotEpisodeWriter::write(const fs::path& file, const EpisodeRecord& record) const {
  note_default_task(record);
  const std::vector<WrittenFeature> features = features_of(file, record, options_);
  EpisodeFacts facts{.header = {.seed = record.seed, .success = record.success},
                     .length = record.actions.size(0),
                     .fps = record.control_hz,
                     .robot_type = options_.robot_type,
                     .features = Json::object()};

  // The videos are separate files; everything else is a column.
  const TemporaryFolder parts(file);
  std::map<std::string, fs::path> members;
  ColumnTable rows;
  parquet::WriterOptions table_options;
  for (const WrittenFeature& feature : features) {
    const std::string& name = feature.name;
    facts.features[name] = feature.info;
    switch (feature.kind) {
      case Kind::kVector:
        rows.add_vectors(name, feature.values);
        facts.stats[name] = stats_of_table(feature.values);
        break;
      case Kind::kText:
        add_texts(rows, name, feature.values);
        break;
      case Kind::kVideo:
        // Members are numbered, because a camera's name may be too long for a file.
        members[name + ".mp4"] = parts.path() / fmt::format("{}.mp4", members.size());
        facts.stats[name] = write_video(members[name + ".mp4"], record, feature.camera, options_);
        break;
      case Kind::kImage:
        facts.stats[name] = add_images(rows, name, record, feature.camera);
        table_options.structs.insert(name);
        break;
    }
  }
  members[kRowsMember] = parts.path() / kRowsMember;
  rows.write(members[kRowsMember], std::move(table_options));

  // The instruction of each row.
  for (const std::string& task : tasks_of(record, options_)) {
    const auto found = std::ranges::find(facts.tasks, task);
    facts.task_rows.push_back(found - facts.tasks.begin());
    if (found == facts.tasks.end()) facts.tasks.push_back(task);
  }
  write_archive(file, facts, members);
}

void LerobotEpisodeWriter::place(const fs::path& written, const fs::path& folder,
                                 std::int64_t index) const {
  if (is_table(written)) {
    throw Error({.what = "the episode is already placed and cannot get a different number",
                 .where = written.string(),
                 .expected = table_path(folder, index).string(),
                 .next = "collect into another folder"});
  }
  const std::lock_guard lock(mutex_);
  placed_.update(folder);
  const EpisodePlacement placement(written, folder, index, placed_);
  placement.write_videos();
  placement.write_rows();
  placement.write_totals();
  placement.write_table();
  fs::remove(written);
}

EpisodeHeader LerobotEpisodeWriter::read_header(const fs::path& file) const {
  return is_table(file) ? read_table_header(file) : EpisodeArchive(file).facts().header;
}

}  // namespace roboimi::lerobot_dataset
