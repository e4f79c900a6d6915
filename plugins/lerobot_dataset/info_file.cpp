#include "plugins/lerobot_dataset/info_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "plugins/lerobot_dataset/folder_listing.h"
#include "plugins/lerobot_dataset/json_file.h"
#include "plugins/lerobot_dataset/other_formats.h"
#include "roboimi/common/error.h"
#include "roboimi/common/text.h"

namespace roboimi::lerobot_dataset {
namespace {

namespace fs = std::filesystem;

constexpr char kInfo[] = "meta/info.json";
constexpr std::int64_t kLargestWidth = std::int64_t{1} << 40;  // cannot overflow in sums

// Throws Error about one entry of the file.
[[noreturn]] void fail(const fs::path& file, const std::string& what, const std::string& expected,
                       const std::string& found,
                       const std::string& next = "correct the file, or download it again") {
  throw Error(
      {.what = what, .where = file.string(), .expected = expected, .found = found, .next = next});
}

// The first dataset `depth` folders below: the hub's cache has snapshots/<revision>. Empty if
// there is none.
fs::path data_set_below(const fs::path& folder, int depth) {
  std::error_code ignored;
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) folders.push_back(entry.path());
  std::ranges::sort(folders);
  for (const fs::path& inner : folders) {
    const fs::path found = depth == 1 ? inner : data_set_below(inner, depth - 1);
    if (!found.empty() && fs::exists(found / kInfo, ignored)) return found;
  }
  return {};
}

Error no_data_set(const fs::path& folder) {
  std::error_code ignored;
  if (!fs::exists(folder, ignored)) {
    return Error({.what = "no such folder",
                  .where = folder.string(),
                  .expected = "the folder of a LeRobot dataset, with meta/info.json",
                  .next =
                      "set data.path to it; a dataset of the Hugging Face hub must be "
                      "downloaded first: hf download --repo-type dataset NAME --local-dir FOLDER"});
  }
  const OtherFormat other = other_format(folder);
  std::string found = fs::is_directory(folder, ignored) ? "no such file in it" : "a file";
  std::string next = "set data.path to the folder that contains meta/, data/ and videos/";
  if (!other.found.empty()) {
    found = other.found;
    next = other.next;
  }
  for (const auto& [depth, folders] : {std::pair(1, "one folder"), {2, "two folders"}}) {
    const fs::path below = data_set_below(folder, depth);
    if (below.empty()) continue;
    next = fmt::format("the dataset is {} below: data.path={}", folders, below.string());
    break;
  }
  return Error({.what = "the folder is not a LeRobot dataset",
                .where = folder.string(),
                .expected = kInfo,
                .found = found,
                .next = next});
}

std::optional<std::int64_t> optional_integer(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_number_integer()) return std::nullopt;
  return found->get<std::int64_t>();
}

std::string required_text(const Json& json, const char* key, const fs::path& file) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_string()) {
    fail(file, fmt::format("'{}' is not a string", key), "a string",
         found == json.end() ? "no such key" : shown(*found));
  }
  return found->get<std::string>();
}

// Whether a table gives every name its position, as {"delta_x": 0, "delta_y": 1}.
bool has_positions(const Json& json) {
  return json.is_object() && !json.empty() && std::ranges::all_of(json, [](const Json& position) {
           return position.is_number_integer();
         });
}

// Appends the strings of nested lists and tables, such as {"motors": ["waist", "elbow"]}, and the
// keys of tables of positions.
void collect_names(const Json& json, std::vector<std::string>& names) {
  if (json.is_string()) names.push_back(json.get<std::string>());
  if (has_positions(json)) {
    std::multimap<std::int64_t, std::string> by_position;
    for (const auto& [name, position] : json.items()) {
      by_position.emplace(position.get<std::int64_t>(), name);
    }
    for (const auto& [position, name] : by_position) names.push_back(name);
    return;
  }
  if (!json.is_array() && !json.is_object()) return;
  for (const Json& part : json) collect_names(part, names);
}

bool is_true(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_boolean() && found->get<bool>();
}

bool says_depth(const Json& feature) {
  for (const char* key : {"info", "video_info"}) {
    const auto info = feature.find(key);
    if (info == feature.end() || !info->is_object()) continue;
    if (is_true(*info, "is_depth_map") || is_true(*info, "video.is_depth_map")) return true;
    for (const char* format : {"video.pix_fmt", "pix_fmt"}) {
      const auto found = info->find(format);
      if (found != info->end() && found->is_string() &&
          found->get<std::string>().starts_with("gray1")) {
        return true;
      }
    }
  }
  return false;
}

Feature read_feature(const std::string& name, const Json& json, const fs::path& file) {
  if (!json.is_object() || !json.contains("dtype") || !json["dtype"].is_string()) {
    fail(file, "the feature '" + printable(name) + "' has no dtype",
         R"(a table such as {"dtype": "float32", "shape": [14]})", shown(json));
  }
  Feature feature{.name = name, .dtype = json["dtype"].get<std::string>()};
  if (const auto shape = json.find("shape"); shape != json.end() && !shape->is_null()) {
    const auto is_size = [](const Json& size) {
      return size.is_number_integer() && size.get<std::int64_t>() >= 0;
    };
    if (!shape->is_array() || !std::ranges::all_of(*shape, is_size)) {
      fail(file, "the feature '" + printable(name) + "' has an invalid shape",
           "a list of sizes, such as [14]", shown(*shape));
    }
    feature.shape = shape->get<std::vector<std::int64_t>>();
  }
  if (const auto names = json.find("names"); names != json.end()) {
    collect_names(*names, feature.names);
  }
  feature.is_depth = says_depth(json);
  return feature;
}

double read_fps(const Json& json, const fs::path& file) {
  const auto found = json.find("fps");
  const bool is_number = found != json.end() && found->is_number();
  const double fps = is_number ? found->get<double>() : 0.0;
  if (!std::isfinite(fps) || fps <= 0.0) {
    fail(file, "'fps' is not a rate", "a finite number above 0, such as 30 or 29.97",
         found == json.end() ? "no such key" : shown(*found));
  }
  return fps;
}

PathTemplate read_template(const Json& json, const char* key, const fs::path& file) {
  try {
    return PathTemplate(required_text(json, key, file));
  } catch (const Error& error) {
    Error::Parts parts = error.parts();
    if (parts.where.empty()) {
      parts.where = file.string();
      parts.what = fmt::format("'{}': {}", key, parts.what);
    }
    throw Error(std::move(parts));
  }
}

// LeRobot's scripts bring older versions up to date. Nothing here reads a newer one.
std::string next_for_version(const std::string& version) {
  if (version.starts_with("v1.") || version.starts_with("v0.")) {
    return "convert it to v2.1 or v3.0 with the scripts of LeRobot (lerobot.datasets)";
  }
  return "update roboimi, or export the data again in version v3.0";
}

}  // namespace

bool Feature::is_number() const {
  constexpr std::array<std::string_view, 4> kKinds = {"float", "int", "uint", "bool"};
  return std::ranges::any_of(kKinds,
                             [&](std::string_view kind) { return dtype.starts_with(kind); });
}

std::int64_t Feature::width() const {
  std::int64_t width = 1;
  for (const std::int64_t size : shape) {
    if (size > 0 && width > kLargestWidth / size) return kLargestWidth;
    width *= size;
  }
  return width;
}

std::string Feature::described() const {
  return fmt::format("{} [{}]", printable(dtype, 40), fmt::join(shape, ", "));
}

const Feature* InfoFile::find(const std::string& name) const {
  const auto found = std::ranges::find(features, name, &Feature::name);
  return found == features.end() ? nullptr : &*found;
}

InfoFile read_info(const fs::path& folder) {
  InfoFile info{.file = folder / kInfo};
  if (!can_be_found(info.file)) throw no_data_set(folder);
  const Json json = read_json(info.file);
  if (!json.is_object()) fail(info.file, "the file is not a table", "a JSON object", shown(json));

  // Versions 2.0, 2.1 and 3.x are read.
  info.version = required_text(json, "codebase_version", info.file);
  info.is_v3 = info.version.starts_with("v3.");
  if (!info.is_v3 && info.version != "v2.0" && info.version != "v2.1") {
    fail(info.file, "the version of the dataset is not supported", "v2.0, v2.1 or v3.0",
         printable(info.version), next_for_version(info.version));
  }
  info.fps = read_fps(json, info.file);
  info.chunks_size =
      std::max<std::int64_t>(1, optional_integer(json, "chunks_size").value_or(info.chunks_size));
  info.total_episodes = optional_integer(json, "total_episodes");
  info.total_frames = optional_integer(json, "total_frames");

  // Features, and the names of the files that contain them.
  const auto features = json.find("features");
  if (features == json.end() || !features->is_object() || features->empty()) {
    fail(info.file, "'features' is not a table of features", "a JSON object",
         features == json.end() ? "no such key" : shown(*features));
  }
  bool has_videos = false;
  for (const auto& [name, feature] : features->items()) {
    info.features.push_back(read_feature(name, feature, info.file));
    has_videos = has_videos || info.features.back().dtype == "video";
  }
  info.data_path = read_template(json, "data_path", info.file);
  if (has_videos) info.video_path = read_template(json, "video_path", info.file);
  return info;
}

}  // namespace roboimi::lerobot_dataset
