// The part of LerobotFolder that reads rows.
#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>

#include "plugins/lerobot_dataset/image_frames.h"
#include "plugins/lerobot_dataset/lerobot_folder.h"
#include "roboimi/common/error.h"

namespace roboimi::lerobot_dataset {
namespace {

namespace fs = std::filesystem;

// Calls `use(file, row, count)` for the parts of frames [first, first + count) of an episode.
template <typename Use>
void for_each_part(const EpisodeRows& rows, std::int64_t first, std::int64_t count,
                   const Use& use) {
  for (const Run& run : rows.runs) {
    const std::int64_t begin = std::max(first, run.frame);
    const std::int64_t end = std::min(first + count, run.frame + run.count);
    if (begin < end) use(run.file, run.row + begin - run.frame, end - begin);
  }
}

template <typename Items>
auto find_stream(const Items& items, const std::string& stream) {
  return std::ranges::find_if(items, [&](const auto& item) { return item.stream == stream; });
}

}  // namespace

at::Tensor LerobotFolder::read(std::int64_t i, const std::string& stream, std::int64_t first,
                               std::int64_t count, std::int64_t text_bytes) const {
  const EpisodeInfo& info = episode(i);
  if (first < 0 || count < 0 || first + count > info.length) {
    throw Error({.what = "rows out of range",
                 .where = info.file.string(),
                 .expected = fmt::format("rows 0 to {}", info.length - 1),
                 .found = fmt::format("{} to {}", first, first + count - 1)});
  }
  const auto vector = find_stream(features_.vectors, stream);
  if (vector != features_.vectors.end()) return vectors(i, *vector, first, count);
  const auto camera = find_stream(features_.cameras, stream);
  if (camera != features_.cameras.end()) return frames(i, *camera, first, count);
  if (features_.task && stream == kTask) {
    return texts(i, *features_.task, first, count, text_bytes);
  }
  const auto text = std::ranges::find(features_.texts, stream, &Feature::name);
  if (text != features_.texts.end()) return texts(i, *text, first, count, text_bytes);
  throw Error({.what = fmt::format("the stream '{}' is not loaded", stream),
               .where = info_.file.string(),
               .expected = fmt::format("one of {}", fmt::join(spec_.names(), ", ")),
               .next = "add it to data.camera_names or data.streams"});
}

at::Tensor LerobotFolder::actions(std::int64_t i) const {
  return vectors(i, features_.actions, 0, episode(i).length);
}

std::map<std::string, at::Tensor> LerobotFolder::labels(std::int64_t i) const {
  std::map<std::string, at::Tensor> labels;
  for (const Feature& feature : info_.features) {
    if (!feature.name.starts_with(kLabelPrefix) || !feature.is_number()) continue;
    const std::string name = feature.name.substr(std::string_view(kLabelPrefix).size());
    labels[name] = vectors(i, {.stream = name, .parts = {feature}}, 0, episode(i).length);
  }
  return labels;
}

at::Tensor LerobotFolder::vectors(std::int64_t i, const VectorFeature& vector, std::int64_t first,
                                  std::int64_t count) const {
  std::vector<at::Tensor> parts = {at::empty({0, vector.width()}, at::kFloat)};
  for_each_part(rows_of(i), first, count,
                [&](std::size_t file, std::int64_t row, std::int64_t num_rows) {
                  std::vector<at::Tensor> columns;
                  for (const Feature& feature : vector.parts) {
                    columns.push_back(data_.vectors(rows_.files()[file].path, feature.name,
                                                    feature.width(), row, num_rows));
                  }
                  parts.push_back(at::cat(columns, 1));
                });
  return at::cat(parts);
}

at::Tensor LerobotFolder::frames(std::int64_t i, const CameraFeature& camera, std::int64_t first,
                                 std::int64_t count) const {
  const ImageSize size = spec_.image_size(camera.stream);
  if (count == 0) return at::empty({0, size.height, size.width, 3}, at::kByte);

  // Images lie in the data files.
  const std::string& feature = camera.feature.name;
  if (camera.feature.dtype == "image") {
    std::vector<at::Tensor> parts;
    for_each_part(
        rows_of(i), first, count, [&](std::size_t file, std::int64_t row, std::int64_t num_rows) {
          parts.push_back(read_image_frames(*data_.open(rows_.files()[file].path), info_.folder(),
                                            feature, row, num_rows, size));
        });
    return parts.size() == 1 ? parts.front() : at::cat(parts);
  }

  // Frames of a video are consecutive, unless its rate is higher than the data's.
  const CameraVideos& videos = videos_.at(feature);
  const RowFrames& frames = videos.frames_of.at(number(i));
  const std::int64_t begin = frames.frame(first);
  const at::Tensor all =
      pool_.read(videos.file_of.at(number(i)), begin, frames.frame(first + count - 1) - begin + 1);
  if (frames.frames.empty()) return all;
  std::vector<std::int64_t> wanted;
  for (std::int64_t row = first; row < first + count; ++row) {
    wanted.push_back(frames.frame(row) - begin);
  }
  return all.index_select(0, at::tensor(wanted, at::kLong));
}

at::Tensor LerobotFolder::texts(std::int64_t i, const Feature& feature, std::int64_t first,
                                std::int64_t count, std::int64_t bytes) const {
  std::vector<at::Tensor> rows = {at::empty({0, bytes}, at::kByte)};
  for_each_part(
      rows_of(i), first, count, [&](std::size_t file, std::int64_t row, std::int64_t num_rows) {
        const fs::path& path = rows_.files()[file].path;
        if (feature.dtype == "string") {
          const auto reader = data_.open(path);
          for (const std::string& text : reader->read_strings(feature.name, row, num_rows)) {
            rows.push_back(text_tensor(text, bytes).unsqueeze(0));
          }
          return;
        }
        const at::Tensor indices = data_.integers(path, feature.name);
        for (std::int64_t k = row; k < row + num_rows; ++k) {
          const auto index = indices.const_data_ptr<std::int64_t>()[k];
          rows.push_back(text_tensor(tasks_.text(index, path.string()), bytes).unsqueeze(0));
        }
      });
  return at::cat(rows);
}

std::vector<fs::path> LerobotFolder::files() const {
  std::set<fs::path> files = {info_.file};
  if (modality_.file) files.insert(*modality_.file);
  if (!tasks_.file.empty()) files.insert(tasks_.file);
  files.insert(table_.files.begin(), table_.files.end());
  for (const std::size_t file : used_files()) files.insert(rows_.files()[file].path);
  for (const auto& [feature, videos] : videos_) {
    for (const std::int64_t number : episodes_) files.insert(videos.file_of.at(number));
  }
  return {files.begin(), files.end()};
}

}  // namespace roboimi::lerobot_dataset
