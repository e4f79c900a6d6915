#include "plugins/lerobot_dataset/written_features.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "plugins/lerobot_dataset/lerobot_folder.h"
#include "roboimi/common/error.h"
#include "roboimi/common/text.h"

namespace roboimi::lerobot_dataset {
namespace {

namespace fs = std::filesystem;

using Kind = WrittenFeature::Kind;

const std::string kObservation = "observation.";  // of LeRobot's names

std::string shown(const at::Tensor& tensor) {
  return tensor.defined() ? c10::str(tensor.scalar_type(), " ", tensor.sizes()) : "nothing";
}

Json feature_info(const std::string& dtype, const std::vector<std::int64_t>& shape,
                  const std::vector<std::string>& names = {}) {
  return {{"dtype", dtype}, {"shape", shape}, {"names", names.empty() ? Json() : Json(names)}};
}

// 50 instead of 50.0, as LeRobot writes it.
Json rate(double fps) {
  return std::trunc(fps) == fps ? Json(static_cast<std::int64_t>(fps)) : Json(fps);
}

class FeatureMaker {
 public:
  FeatureMaker(const fs::path& file, const EpisodeRecord& record, const WriterOptions& options)
      : file_(file), record_(record), options_(options) {}

  std::vector<WrittenFeature> make() {
    check_record();
    for (const char* name : {kState, kEnvState}) {
      for (const StreamSpec& stream : record_.streams) {
        if (stream.name == name) add_vector(stream);
      }
    }
    for (const StreamSpec& stream : record_.streams) {
      const bool is_added = stream.name == kState || stream.name == kEnvState;
      if (stream.kind == StreamKind::kVector && !is_added) add_vector(stream);
    }
    add_table("action", "the action", record_.actions, {});
    for (const StreamSpec& stream : record_.streams) {
      if (stream.kind == StreamKind::kRgb) add_camera(stream);
      if (stream.kind == StreamKind::kDepth) check_depth(stream);
    }
    for (const StreamSpec& stream : record_.streams) {
      if (stream.kind == StreamKind::kText) add_text(stream);
    }
    for (const auto& [name, values] : record_.labels) {
      add_table("label." + name, "label '" + name + "'", values, {});
    }
    return std::move(features_);
  }

 private:
  void require(bool fits, const std::string& what, const std::string& expected,
               const std::string& found,
               const std::string& next = "fix the environment that produces it") const {
    if (fits) return;
    throw Error({.what = what + " cannot be written as an episode",
                 .where = file_.string(),
                 .expected = expected,
                 .found = found,
                 .next = next});
  }

  void require_table(const std::string& what, const at::Tensor& values) const {
    const bool is_table = values.defined() && values.dim() == 2 && values.size(0) == length_;
    require(is_table && values.size(1) > 0, what, fmt::format("a table [{}, N]", length_),
            shown(values));
  }

  void check_record() {
    const at::Tensor state = record_.observations.state();
    const at::Tensor rows = state.defined() ? state : record_.actions;
    require(rows.defined() && rows.dim() == 2 && rows.size(0) > 0,
            state.defined() ? "the state" : "the action", "a table [L, N]", shown(rows));
    length_ = rows.size(0);
    require(record_.control_hz > 0.0 && record_.control_hz <= 1000.0, "the control rate",
            "more than 0, at most 1000 Hz", fmt::format("{} Hz", record_.control_hz));
  }

  void add(const std::string& what, WrittenFeature feature) {
    const std::string& name = feature.name;
    require(is_utf8(name) && name.find('/') == std::string::npos, what,
            "a name in UTF-8 without '/'", "'" + printable(name) + "'", "rename it");
    const bool is_new = !default_features().contains(name) && name != kTask &&
                        std::ranges::count(features_, name, &WrittenFeature::name) == 0;
    require(is_new, what, "a name that no other feature has", "'" + printable(name) + "'",
            "rename it");
    features_.push_back(std::move(feature));
  }

  void add_table(const std::string& name, const std::string& what, const at::Tensor& values,
                 const std::vector<std::string>& names) {
    require_table(what, values);
    const bool are_named = std::ssize(names) == values.size(1);
    add(what, {.name = name,
               .kind = Kind::kVector,
               .values = values.to(at::kFloat).contiguous(),
               .info = feature_info("float32", {values.size(1)},
                                    are_named ? names : std::vector<std::string>{})});
  }

  void add_vector(const StreamSpec& stream) {
    // A stream may have the full name of the feature that it was read from.
    const bool is_full = stream.name.starts_with(kObservation);
    const std::string name = stream.name == kEnvState ? "observation.environment_state"
                             : is_full                ? stream.name
                                                      : kObservation + stream.name;
    add_table(name, "the stream '" + stream.name + "'", record_.observations.get(stream.name),
              stream.element_names);
  }

  void add_text(const StreamSpec& stream) {
    const std::string what = "the stream '" + stream.name + "'";
    const at::Tensor values = record_.observations.get(stream.name);
    require_table(what, values);
    require(values.scalar_type() == at::kByte, what, "bytes", shown(values));
    for (std::int64_t row = 0; row < length_; ++row) {
      require(is_utf8(text_of(values[row])), what, "UTF-8",
              fmt::format("other bytes, row {}", row));
    }
    if (stream.name == kTask) return;  // becomes task_index
    add(what, {.name = stream.name,
               .kind = Kind::kText,
               .values = values,
               .info = feature_info("string", {1})});
  }

  void add_camera(const StreamSpec& stream) {
    const std::string what = "camera '" + stream.name + "'";
    const at::Tensor values = record_.observations.get(stream.name);
    std::vector<std::int64_t> shape = {length_};
    shape.insert(shape.end(), stream.shape.begin(), stream.shape.end());
    const bool is_read_later = !values.defined() && record_.read_images;
    const bool fits =
        values.defined() && values.scalar_type() == at::kByte && values.sizes() == shape;
    require(is_read_later || fits, what, fmt::format("Byte [{}]", fmt::join(shape, ", ")),
            shown(values));
    const bool is_image = options_.frames == FrameStorage::kPng;
    Json info =
        feature_info(is_image ? "image" : "video", stream.shape, {"height", "width", "channels"});
    if (!is_image) info["info"] = video_info(stream.size(), what);
    add(what, {.name = "observation.images." + stream.name,
               .kind = is_image ? Kind::kImage : Kind::kVideo,
               .camera = stream,
               .info = std::move(info)});
  }

  Json video_info(ImageSize size, const std::string& what) const {
    const bool is_lossless = options_.frames == FrameStorage::kLossless;
    // The encoder would add a row or a column.
    require(is_lossless || (size.height % 2 == 0 && size.width % 2 == 0), what,
            "even sides for a 4:2:0 video", fmt::format("{}x{}", size.height, size.width),
            "choose even sizes (collect: env.image_height and env.image_width; data convert: "
            "--resize), or writer.codec=png");
    return {{"video.height", size.height},
            {"video.width", size.width},
            {"video.codec", options_.frames == FrameStorage::kAv1 ? "av1" : "h264"},
            {"video.pix_fmt", is_lossless ? "gbrp" : "yuv420p"},
            {"video.is_depth_map", false},
            {"is_depth_map", false},
            {"video.fps", rate(record_.control_hz)},
            {"video.channels", 3},
            {"has_audio", false}};
  }

  void check_depth(const StreamSpec& stream) const {
    if (options_.depth == DepthStreams::kSkip) return;
    require(false, "the depth stream '" + stream.name + "'", "RGB, vectors and strings", "depth",
            "leave it out of env, or set writer.depth=skip to drop it");
  }

  const fs::path& file_;
  const EpisodeRecord& record_;
  const WriterOptions& options_;
  std::int64_t length_ = 0;
  std::vector<WrittenFeature> features_;
};

}  // namespace

std::vector<WrittenFeature> features_of(const fs::path& file, const EpisodeRecord& record,
                                        const WriterOptions& options) {
  return FeatureMaker(file, record, options).make();
}

Json default_features() {
  Json features;
  features["timestamp"] = feature_info("float32", {1});
  for (const char* name : {"frame_index", "episode_index", "index", "task_index"}) {
    features[name] = feature_info("int64", {1});
  }
  return features;
}

std::vector<std::string> tasks_of(const EpisodeRecord& record, const WriterOptions& options) {
  std::vector<std::string> tasks(static_cast<std::size_t>(record.actions.size(0)), options.task);
  const at::Tensor texts = record.observations.get(kTask);
  for (const StreamSpec& stream : record.streams) {
    if (stream.name != kTask || stream.kind != StreamKind::kText) continue;
    for (std::size_t row = 0; row < tasks.size(); ++row) {
      const std::string text = text_of(texts[static_cast<std::int64_t>(row)]);
      if (!text.empty()) tasks[row] = text;
    }
  }
  return tasks;
}

}  // namespace roboimi::lerobot_dataset
