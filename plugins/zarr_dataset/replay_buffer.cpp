#include "plugins/zarr_dataset/replay_buffer.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "plugins/zarr_dataset/zarr_array.h"
#include "roboimi/common/text.h"
#include "roboimi/config/did_you_mean.h"

namespace roboimi::zarr_dataset {
namespace {

constexpr char kEpisodeEnds[] = "meta/episode_ends";
constexpr std::int64_t kMostEpisodes = 100'000'000;
constexpr std::size_t kShownNames = 8;

std::string shortened(std::vector<std::string> names) {
  if (names.size() > kShownNames) {
    names.resize(kShownNames);
    names.emplace_back("...");
  }
  return names.empty() ? "nothing" : fmt::format("{}", fmt::join(names, ", "));
}

[[noreturn]] void refuse_layout(const Store& store) {
  Error::Parts parts = {
      .what = "not a ReplayBuffer of diffusion_policy",
      .where = store.path().string(),
      .expected = "arrays data/action, data/CAMERA, ... and meta/episode_ends in zarr's format 2",
      .found = shortened(store.children(""))};

  // Look for the likely cause.
  std::vector<std::string> stores;
  for (const std::string& name : store.children("")) {
    if (name.ends_with(".zarr") || name.ends_with(".zarr.zip")) stores.push_back(name);
  }
  const auto instead = [&](const char* component) {
    return fmt::format("read it with data={0} data.path={1}", component, store.path().string());
  };
  if (store.has("zarr.json")) {
    parts.found = "zarr.json, as in zarr's format 3";
    parts.next = "save the dataset again with zarr_format=2";
  } else if (store.has("meta/info.json")) {
    parts.found = "a LeRobot dataset (meta/info.json)";
    parts.next = instead("lerobot");
  } else if (store.has("episode_0.hdf5")) {
    parts.found = "HDF5 files of one episode each";
    parts.next = instead("hdf5");
  } else if (!store.children(kEpisodeEnds).empty()) {
    parts.found = "meta/episode_ends without its description .zarray";
    parts.next = "copy the dataset again with its hidden files";
  } else if (!store.children("data").empty() && !store.children("meta").empty()) {
    parts.found = "no meta/episode_ends; in meta/: " + shortened(store.children("meta"));
    parts.next = "save the row after each episode's last as integers in meta/episode_ends";
  } else if (!stores.empty()) {
    parts.next =
        "the dataset is one folder below: data.path=" + (store.path() / stores.front()).string();
  }
  throw Error(parts);
}

std::vector<std::int64_t> read_episode_ends(const Store& store) {
  // Read the list.
  const ArrayInfo info = read_array_info(store, kEpisodeEnds);
  const auto fail = [&](const std::string& what, const std::string& expected,
                        const std::string& found) {
    throw Error({.what = what,
                 .where = store.where(kEpisodeEnds),
                 .expected = expected,
                 .found = found,
                 .next = "copy or save the dataset again"});
  };
  if (info.shape.size() != 1 || info.shape[0] == 0 || info.shape[0] > kMostEpisodes ||
      !c10::isIntegralType(info.dtype, /*includeBool=*/false)) {
    fail("meta/episode_ends is not a list of rows", "integers [number of episodes]",
         info.describe());
  }
  const ZarrArray array(store, info, MissingChunks::kError);
  const at::Tensor rows = array.read(0, info.shape[0], at::kLong);
  const auto* const values = rows.const_data_ptr<std::int64_t>();
  const std::vector<std::int64_t> ends(values, values + rows.numel());

  // Every episode has a row.
  std::int64_t start = 0;
  for (std::size_t i = 0; i < ends.size(); ++i) {
    if (ends[i] <= start) {
      fail(fmt::format("episode {} has no rows", i),
           fmt::format("an end after row {} in meta/episode_ends", start),
           fmt::format("{}", ends[i]));
    }
    start = ends[i];
  }
  return ends;
}

// Whether data/NAME is an array, or has the files of one whose description is missing.
bool has_array(const Store& store, const std::string& name) {
  const std::string key = "data/" + name;
  if (name.starts_with('.') || store.has(key + "/.zgroup")) return false;
  return store.has(key + "/.zarray") || !store.children(key).empty();
}

FoundArray found_array(const Store& store, const std::string& name) {
  FoundArray found;
  try {
    found.info = read_array_info(store, "data/" + name);
    found.fault = codec_fault(store, *found.info);
  } catch (const Error& error) {
    found.fault = error.parts();
  }
  return found;
}

std::optional<std::int64_t> parsed_number(std::string_view text) {
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return number;
}

// "state[0:2]", "state[:2]" or "state[2:]"; anything else is the name of an array.
Columns parsed_columns(const std::string& text) {
  const std::size_t open = text.find('['), colon = text.find(':');
  Columns columns{.array = text};
  if (open == std::string::npos || colon == std::string::npos || colon < open ||
      !text.ends_with(']')) {
    return columns;
  }
  const std::string first = text.substr(open + 1, colon - open - 1);
  const std::string end = text.substr(colon + 1, text.size() - colon - 2);
  const auto first_number = first.empty() ? 0 : parsed_number(first);
  if (!first_number || (!end.empty() && !parsed_number(end))) return columns;
  columns = {.array = text.substr(0, open), .first = *first_number};
  if (!end.empty()) columns.end = parsed_number(end);
  return columns;
}

}  // namespace

bool FoundArray::is_camera() const {
  return info && info->shape.size() == 4 && info->shape[3] == 3 && info->shape[1] > 0 &&
         info->shape[2] > 0;
}

std::string FoundArray::image_fault() const {
  if (!info || info->shape.size() != 4) return "";
  const std::vector<std::int64_t>& shape = info->shape;
  if (shape[1] == 3 && shape[2] > 4 && shape[3] > 4) {
    return "move the channels to the end: numpy.moveaxis(images, 1, -1)";
  }
  if (shape[1] > 4 && shape[2] > 4 && shape[3] == 4 && info->dtype == at::kByte) {
    return "keep three channels: images[..., :3]";
  }
  return "";
}

bool FoundArray::is_vector() const {
  return info && (info->shape.size() == 1 || (info->shape.size() == 2 && info->shape[1] > 0));
}

std::string FoundArray::describe() const {
  if (!info) return "(not readable)";
  return info->describe() + (info->codec.empty() ? "" : " " + printable(info->codec)) +
         (fault ? " (not readable)" : "");
}

ReplayBuffer::ReplayBuffer(const Store& store, Unreadable unreadable)
    : store_(store), unreadable_(unreadable) {
  if (!store.has(std::string(kEpisodeEnds) + "/.zarray")) refuse_layout(store);
  for (const std::string& name : store.children("data")) {
    if (has_array(store, name)) arrays_[name] = found_array(store, name);
  }
  if (arrays_.empty()) refuse_layout(store);
  episode_ends_ = read_episode_ends(store);
}

const ArrayInfo& ReplayBuffer::array(const std::string& name, const std::string& option) const {
  const auto found = arrays_.find(name);
  if (found == arrays_.end()) {
    std::vector<std::string> names;
    for (const auto& [known, array] : arrays_) names.push_back(known);
    throw Error({.what = fmt::format("there is no array 'data/{}'", name),
                 .where = store_.path().string(),
                 .expected = "one of " + listed(),
                 .next = did_you_mean(name, names, "set " + option)});
  }
  if (!found->second.info) throw Error(*found->second.fault);
  return *found->second.info;
}

Columns ReplayBuffer::columns(const std::string& text, const std::string& option) const {
  const Columns columns = arrays_.contains(text) ? Columns{.array = text} : parsed_columns(text);
  const ArrayInfo& info = array(columns.array, option);
  if (!has_vector(columns.array)) {
    throw Error({.what = fmt::format("array 'data/{}' is not a table", columns.array),
                 .where = store_.path().string(),
                 .expected = "numbers [N] or [N, n]",
                 .found = info.describe(),
                 .next = "set " + option + " to other arrays"});
  }
  const std::int64_t width = info.shape.size() == 1 ? 1 : info.shape[1];
  const std::int64_t end = columns.end.value_or(width);
  if (columns.first < 0 || end > width || columns.first >= end) {
    throw Error({.what = fmt::format("'{}' are not columns of the array", text),
                 .where = store_.path().string(),
                 .expected = fmt::format("columns within {}[0:{}]", columns.array, width),
                 .found = text,
                 .next = "correct " + option});
  }
  return {.array = columns.array, .first = columns.first, .end = end};
}

bool ReplayBuffer::is_skipped(const FoundArray& array) const {
  return array.fault && unreadable_ == Unreadable::kSkip;
}

std::vector<Error::Parts> ReplayBuffer::faults(bool with_cameras) const {
  std::vector<Error::Parts> faults;
  for (const auto& [name, array] : arrays_) {
    const bool is_relevant = !array.info || (with_cameras && array.is_camera());
    if (array.fault && is_relevant) faults.push_back(*array.fault);
  }
  return faults;
}

// A rule must not skip an array that it would choose if it could be read.
void ReplayBuffer::require_readable(bool with_cameras, const std::string& option) const {
  if (unreadable_ == Unreadable::kSkip) return;
  const std::vector<Error::Parts> all = faults(with_cameras);
  if (all.empty()) return;
  // Collect the faults of all such arrays in the first one.
  Error::Parts fault = all.front();
  for (std::size_t i = 1; i < all.size(); ++i) {
    fault.found += fmt::format("; {}: {}", all[i].what, all[i].found);
  }
  fault.found += "; arrays: " + listed();
  if (!fault.next.empty()) fault.next += "; ";
  fault.next += fmt::format("to train without it, name the arrays to use in {}", option);
  throw Error(std::move(fault));
}

std::vector<std::string> ReplayBuffer::cameras() const {
  require_readable(/*with_cameras=*/true, "data.camera_names and data.state");
  std::vector<std::string> names;
  for (const auto& [name, array] : arrays_) {
    if (array.is_camera() && !is_skipped(array)) names.push_back(name);
    const std::string remedy = array.image_fault();
    if (remedy.empty()) continue;
    throw Error(
        {.what = fmt::format("array 'data/{}' seems to hold images in another layout", name),
         .where = store_.path().string(),
         .expected = "images [N, H, W, 3], RGB",
         .found = array.describe(),
         .next = remedy + "; to train without it, name the cameras in data.camera_names"});
  }
  return names;
}

std::vector<std::string> ReplayBuffer::default_actions() const {
  for (const char* name : {"action", "actions"}) {
    if (arrays_.contains(name)) return {name};
  }
  throw Error({.what = "there is no array 'data/action'",
               .where = store_.path().string(),
               .expected = "data/action or data/actions",
               .found = listed(),
               .next = "name the arrays that form the action: data.actions=[NAME, ...]"});
}

std::vector<std::string> ReplayBuffer::default_state(
    const std::vector<std::string>& actions) const {
  require_readable(/*with_cameras=*/false, "data.state");
  for (const char* name : {"agent_pos", "state"}) {
    if (has_vector(name)) return {name};
  }
  std::vector<std::string> robots;
  for (int i = 0;; ++i) {
    const std::string prefix = fmt::format("robot{}_", i);
    if (!has_vector(prefix + "eef_pos")) break;
    for (const char* part : {"eef_pos", "eef_rot_axis_angle", "gripper_width"}) {
      if (has_vector(prefix + part)) robots.push_back(prefix + part);
    }
  }
  if (!robots.empty()) return robots;

  // A single vector is unambiguous.
  std::vector<std::string> vectors;
  for (const auto& [name, array] : arrays_) {
    if (has_vector(name) && std::ranges::count(actions, name) == 0) vectors.push_back(name);
  }
  if (vectors.size() == 1) return vectors;
  throw Error({.what = "cannot tell which arrays are the state",
               .where = store_.path().string(),
               .expected = "data/agent_pos, data/state, data/robot0_eef_pos or a single vector",
               .found = listed(),
               .next = "name them in the order of the state: data.state=[NAME, ...]"});
}

std::string ReplayBuffer::listed() const {
  std::vector<std::string> arrays;
  for (const auto& [name, array] : arrays_) arrays.push_back(name + " " + array.describe());
  return fmt::format("{}", fmt::join(arrays, ", "));
}

bool ReplayBuffer::has_vector(const std::string& name) const {
  const auto found = arrays_.find(name);
  return found != arrays_.end() && found->second.is_vector() && !is_skipped(found->second);
}

}  // namespace roboimi::zarr_dataset
