#include "tests/plugins/lerobot_dataset/lerobot_set.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "roboimi/common/files.h"
#include "roboimi/io/image.h"
#include "roboimi/io/parquet/writer.h"
#include "roboimi/io/video.h"

namespace roboimi::lerobot_dataset {
namespace {

namespace fs = std::filesystem;

using parquet::Type;
using parquet::Values;

constexpr std::int64_t kBits = 12;  // stripes of a label

nlohmann::ordered_json feature(const std::string& dtype, const std::vector<std::int64_t>& shape) {
  return {{"dtype", dtype}, {"shape", shape}, {"names", nullptr}};
}

Values lists(const std::vector<at::Tensor>& rows) {
  std::vector<float> numbers;
  std::vector<std::int64_t> offsets = {0};
  for (const at::Tensor& row : rows) {
    const auto* first = row.const_data_ptr<float>();
    numbers.insert(numbers.end(), first, first + row.numel());
    offsets.push_back(std::ssize(numbers));
  }
  return {.values = numbers, .offsets = {offsets}};
}

template <typename Item, typename Get>
Values integers(const std::vector<Item>& items, const Get& get) {
  std::vector<std::int64_t> numbers;
  for (const Item& item : items) numbers.push_back(get(item));
  return {.values = numbers};
}

// The columns of a file and their values.
struct Table {
  std::vector<parquet::Column> columns;
  std::vector<Values> values;

  void add(parquet::Column column, Values column_values) {
    columns.push_back(std::move(column));
    values.push_back(std::move(column_values));
  }
  void write(const fs::path& file) const {
    fs::create_directories(file.parent_path());
    parquet::Writer writer(file, columns);
    writer.add_row_group(values);
    writer.close();
  }
};

void write_lines(const fs::path& file, const std::vector<nlohmann::ordered_json>& lines) {
  fs::create_directories(file.parent_path());
  std::ofstream out(file);
  for (const auto& line : lines) out << line.dump() << "\n";
}

}  // namespace

LerobotSet::LerobotSet(const fs::path& folder, const std::string& version, const std::string& dtype,
                       const std::vector<std::int64_t>& lengths)
    : folder_(folder), version_(version), dtype_(dtype) {
  std::int64_t index = 0;
  for (std::int64_t episode = 0; episode < std::ssize(lengths); ++episode) {
    const std::int64_t length = lengths[static_cast<std::size_t>(episode)];
    const FileNumber file = is_v3() ? FileNumber{} : FileNumber{0, episode};
    SetEpisode entry{.episode = episode,
                     .length = length,
                     .from_index = index,
                     .to_index = index + length,
                     .data = file};
    for (std::size_t c = 0; c < cameras.size(); ++c) {
      std::vector<std::int64_t>& video = videos[{cameras[c], file}];
      const double from = static_cast<double>(video.size()) / fps;
      entry.windows[cameras[c]] = {
          .file = file, .from = from, .to = from + static_cast<double>(length) / fps};
      for (const std::int64_t label : labels(static_cast<std::int64_t>(c), episode, length)) {
        video.push_back(label);
      }
    }
    table.push_back(std::move(entry));
    for (std::int64_t frame = 0; frame < length; ++frame, ++index) {
      rows.push_back({.episode = episode,
                      .frame = frame,
                      .index = index,
                      .task = episode % 2,
                      .timestamp = static_cast<double>(frame) / fps,
                      .file = file});
    }
  }
  info = {{"codebase_version", version}, {"robot_type", "test"}, {"total_episodes", lengths.size()},
          {"total_frames", index},       {"chunks_size", 1000},  {"fps", fps}};
  info["data_path"] = is_v3()
                          ? "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
                          : "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet";
  info["video_path"] =
      is_v3() ? "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
              : "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4";
  auto& features = info["features"];
  features[state_name] = feature("float32", {kStateDim});
  features[state_name]["names"] = {{"motors", {"waist", "elbow", "grip"}}};
  features[action_name] = feature("float32", {kActionDim});
  for (const std::string& camera : cameras) {
    features[camera_prefix + camera] = feature(dtype, {kHeight, kWidth, 3});
  }
  features["timestamp"] = feature("float32", {1});
  for (const char* name : {"frame_index", "episode_index", "index", "task_index"}) {
    features[name] = feature("int64", {1});
  }
}

at::Tensor LerobotSet::picture(std::int64_t label) {
  at::Tensor picture = at::full({kHeight, kWidth, 3}, 30, at::kByte);
  for (std::int64_t bit = 0; bit < kBits; ++bit) {
    const std::int64_t width = kWidth / kBits;
    if ((label >> bit & 1) != 0) picture.slice(1, bit * width, (bit + 1) * width).fill_(220);
  }
  return picture;
}

std::vector<std::int64_t> LerobotSet::labels_of(const at::Tensor& frames) {
  const at::Tensor stripes = frames.to(at::kFloat).unflatten(2, {kBits, -1}).mean({1, 3, 4});
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < frames.size(0); ++i) {
    std::int64_t label = 0;
    for (std::int64_t bit = 0; bit < kBits; ++bit) {
      if (stripes[i][bit].item<float>() > 125.0F) label |= std::int64_t{1} << bit;
    }
    labels.push_back(label);
  }
  return labels;
}

std::vector<std::int64_t> LerobotSet::labels(std::int64_t camera, std::int64_t episode,
                                             std::int64_t length) {
  std::vector<std::int64_t> labels;
  for (std::int64_t t = 0; t < length; ++t) labels.push_back(label(camera, episode, t));
  return labels;
}

at::Tensor LerobotSet::states(std::int64_t episode, std::int64_t length) {
  const at::Tensor steps = at::arange(length, at::kFloat).unsqueeze(1);
  return steps + 100.0 * static_cast<double>(episode) + at::arange(kStateDim, at::kFloat) / 10;
}

at::Tensor LerobotSet::actions(std::int64_t episode, std::int64_t length) {
  return -states(episode, length).slice(1, 0, kActionDim);
}

fs::path LerobotSet::data_file(FileNumber number) const {
  return folder_ /
         (is_v3()
              ? fmt::format("data/chunk-{:03}/file-{:03}.parquet", number.chunk, number.file)
              : fmt::format("data/chunk-{:03}/episode_{:06}.parquet", number.chunk, number.file));
}

fs::path LerobotSet::video_file(const std::string& camera, FileNumber number) const {
  const std::string key = camera_prefix + camera;
  return folder_ / (is_v3() ? fmt::format("videos/{}/chunk-{:03}/file-{:03}.mp4", key, number.chunk,
                                          number.file)
                            : fmt::format("videos/chunk-{:03}/{}/episode_{:06}.mp4", number.chunk,
                                          key, number.file));
}

void LerobotSet::write() const {
  fs::create_directories(folder_ / "meta");
  std::ofstream(folder_ / "meta" / "info.json") << info.dump(4);
  write_data();
  if (has_table) write_table();
  write_tasks();
  if (dtype_ == "video") write_videos();
}

void LerobotSet::write_data() const {
  std::set<FileNumber> files;
  for (const SetRow& row : rows) files.insert(row.file);
  for (const FileNumber& number : files) {
    std::vector<SetRow> chosen;
    for (const SetRow& row : rows) {
      if (row.file == number) chosen.push_back(row);
    }
    std::vector<at::Tensor> state, action;
    std::vector<float> times;
    for (const SetRow& row : chosen) {
      const std::int64_t step = std::max<std::int64_t>(row.frame, 0);
      state.push_back(states(row.episode, step + 1)[step].contiguous());
      const at::Tensor whole = actions(row.episode, step + 1)[step];
      action.push_back(whole.slice(0, 0, kActionDim - (row.lacks_action ? 1 : 0)).contiguous());
      times.push_back(static_cast<float>(row.timestamp));
    }
    Table data;
    data.add({.name = state_name, .type = Type::kFloat, .list_depth = 1}, lists(state));
    data.add({.name = action_name, .type = Type::kFloat, .list_depth = 1}, lists(action));
    const auto nulls = [&](const std::string& name) {
      std::vector<std::uint8_t> is_null;
      for (const SetRow& row : chosen) is_null.push_back(row.null_column == name);
      return is_null;
    };
    data.add({.name = "timestamp", .type = Type::kFloat},
             {.values = times, .is_null = nulls("timestamp")});
    const auto add = [&](const std::string& name, auto get) {
      Values values = integers(chosen, get);
      values.is_null = nulls(name);
      data.add({.name = name, .type = Type::kInt64}, std::move(values));
    };
    add("frame_index", [](const SetRow& row) { return row.frame; });
    add("episode_index", [](const SetRow& row) { return row.episode; });
    add("index", [](const SetRow& row) { return row.index; });
    add("task_index", [](const SetRow& row) { return row.task; });
    for (const auto& column : integer_columns) {
      add(column.first, [&](const SetRow&) { return column.second; });
    }
    for (const auto& [name, value] : string_columns) {
      const auto ending = endings.find(chosen.front().file);
      const std::string text = value + (ending == endings.end() ? "" : ending->second);
      data.add({.name = name, .type = Type::kByteArray, .is_text = true},
               {.values = std::vector<std::string>(chosen.size(), text), .is_null = nulls(name)});
    }
    for (std::size_t c = 0; dtype_ == "image" && c < cameras.size(); ++c) {
      std::vector<std::string> bytes, paths;
      for (const SetRow& row : chosen) {
        const std::int64_t number = label(static_cast<std::int64_t>(c), row.episode, row.frame);
        paths.push_back(fmt::format("images/{:06}.png", number));
        const fs::path file = folder_ / paths.back();
        fs::create_directories(file.parent_path());
        write_png(file, picture(number));
        bytes.push_back(has_image_files ? "" : read_text(file));
        if (!has_image_files) fs::remove(file);
      }
      const std::string name = camera_prefix + cameras[c];
      data.add({.name = name + ".bytes", .type = Type::kByteArray}, {.values = bytes});
      data.add({.name = name + ".path", .type = Type::kByteArray, .is_text = true},
               {.values = paths});
    }
    data.write(data_file(number));
  }
}

void LerobotSet::write_table() const {
  if (!is_v3()) {
    std::vector<nlohmann::ordered_json> lines;
    for (const SetEpisode& entry : table) {
      lines.push_back({{"episode_index", entry.episode},
                       {"tasks", nlohmann::json::array({"some task"})},
                       {"length", entry.length}});
    }
    write_lines(folder_ / "meta" / "episodes.jsonl", lines);
    return;
  }
  std::set<FileNumber> files;
  for (const SetEpisode& entry : table) files.insert(entry.table);
  for (const FileNumber& number : files) {
    std::vector<SetEpisode> chosen;
    for (const SetEpisode& entry : table) {
      if (entry.table == number) chosen.push_back(entry);
    }
    Table out;
    const auto add = [&](const std::string& name, auto get) {
      out.add({.name = name, .type = Type::kInt64}, integers(chosen, get));
    };
    add("episode_index", [](const SetEpisode& e) { return e.episode; });
    add("length", [](const SetEpisode& e) { return e.length; });
    for (const SetEpisode& entry : chosen) out.values.back().is_null.push_back(entry.lacks_length);
    add("dataset_from_index", [](const SetEpisode& e) { return e.from_index; });
    add("dataset_to_index", [](const SetEpisode& e) { return e.to_index; });
    add("data/chunk_index", [](const SetEpisode& e) { return e.data.chunk; });
    add("data/file_index", [](const SetEpisode& e) { return e.data.file; });
    for (const std::string& camera : cameras) {
      if (dtype_ != "video") break;
      const std::string prefix = "videos/" + camera_prefix + camera + "/";
      add(prefix + "chunk_index",
          [&](const SetEpisode& e) { return e.windows.at(camera).file.chunk; });
      add(prefix + "file_index",
          [&](const SetEpisode& e) { return e.windows.at(camera).file.file; });
      std::vector<double> from, to;
      std::vector<std::uint8_t> lacks_start;
      for (const SetEpisode& entry : chosen) {
        const SetWindow& window = entry.windows.at(camera);
        from.push_back(window.from);
        to.push_back(window.to);
        lacks_start.push_back(window.lacks_start);
      }
      out.add({.name = prefix + "from_timestamp", .type = Type::kDouble},
              {.values = from, .is_null = lacks_start});
      out.add({.name = prefix + "to_timestamp", .type = Type::kDouble}, {.values = to});
    }
    out.write(folder_ / fmt::format("meta/episodes/chunk-{:03}/file-{:03}.parquet", number.chunk,
                                    number.file));
  }
}

void LerobotSet::write_tasks() const {
  if (!is_v3()) {
    std::vector<nlohmann::ordered_json> lines;
    for (const auto& [index, text] : tasks) {
      lines.push_back({{"task_index", index}, {"task", text}});
    }
    write_lines(folder_ / "meta" / "tasks.jsonl", lines);
    return;
  }
  std::vector<std::string> texts;
  for (const auto& [index, text] : tasks) texts.push_back(text);
  Table out;
  out.add({.name = "task_index", .type = Type::kInt64},
          integers(tasks, [](const auto& task) { return task.first; }));
  out.add({.name = task_column, .type = Type::kByteArray, .is_text = true}, {.values = texts});
  out.write(folder_ / "meta" / "tasks.parquet");
}

void LerobotSet::write_videos() const {
  for (const auto& [place, labels] : videos) {
    const fs::path file = video_file(place.first, place.second);
    fs::create_directories(file.parent_path());
    VideoWriter writer(file, {.height = kHeight, .width = kWidth}, fps);
    for (const std::int64_t label : labels) writer.add(picture(label));
    writer.close();
  }
}

LerobotDataset open_set(const fs::path& folder, DatasetOptions options) {
  options.path = folder;
  return LerobotDataset(options);
}

}  // namespace roboimi::lerobot_dataset
