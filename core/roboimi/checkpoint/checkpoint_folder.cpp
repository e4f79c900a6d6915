#include "roboimi/checkpoint/checkpoint_folder.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <regex>
#include <set>

#include "roboimi/checkpoint/checkpoint.h"
#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/log.h"
#include "roboimi/common/temporary_names.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

constexpr const char* kStateFile = "state.json";
constexpr const char* kReplaced = ".replaced_";

std::string name_of(const fs::path& path) { return path.filename().string(); }

bool has_state(const fs::path& folder) {
  std::error_code error;
  return fs::exists(folder / kStateFile, error);
}

// The step in the state.json of a checkpoint; empty if that is missing or damaged.
std::optional<std::int64_t> stated_step(const fs::path& folder) {
  if (!has_state(folder)) return std::nullopt;
  try {
    return read_checkpoint_state(folder).step;
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::vector<fs::path> entries_of(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (const auto& item : fs::directory_iterator(folder, error)) entries.push_back(item.path());
  return entries;
}

std::vector<CheckpointFolder> sorted(std::vector<CheckpointFolder> found) {
  std::sort(found.begin(), found.end(), [](const CheckpointFolder& a, const CheckpointFolder& b) {
    return a.step != b.step ? a.step < b.step : a.path < b.path;
  });
  return found;
}

// The name that a pointer contains if it is a link or a file; empty otherwise.
std::string target_name(const fs::path& pointer) {
  std::error_code error;
  if (fs::is_symlink(pointer, error)) return name_of(fs::read_symlink(pointer, error));
  constexpr std::uintmax_t kLongestName = 300;
  if (!fs::is_regular_file(pointer, error) || fs::file_size(pointer, error) > kLongestName) {
    return "";
  }
  const std::string text = read_text(pointer);
  return text.substr(0, text.find_first_of("\r\n"));
}

bool is_real_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(fs::symlink_status(path, error));
}

// Whether `copy` is a copy of `original` and contains nothing else.
bool is_copy_of(const fs::path& copy, const fs::path& original) {
  static const std::set<std::string> kFiles = {kStateFile, "config.yaml", "model.safetensors",
                                               "ema.safetensors", "optimizer.safetensors"};
  if (!stated_step(original)) return false;
  for (const fs::path& entry : entries_of(copy)) {
    if (!kFiles.contains(name_of(entry))) return false;
  }
  const CheckpointState a = read_checkpoint_state(copy), b = read_checkpoint_state(original);
  // Rollout results may have been added since and are not compared.
  return a.step == b.step && a.seed == b.seed && a.config_sha256 == b.config_sha256 &&
         a.metrics == b.metrics && a.sha256 == b.sha256;
}

// Renames a copy of a checkpoint that has the pointer's name; false if it is not a checkpoint. If
// the original exists, `hidden` becomes the new name, for the caller to remove.
bool set_copy_aside(const fs::path& pointer, fs::path& hidden) {
  const auto step = stated_step(pointer);
  if (!step) return false;
  const fs::path original = pointer.parent_path() / step_name(*step);
  const bool is_redundant = is_copy_of(pointer, original);
  fs::path aside =
      is_redundant ? temporary_name(pointer) : fs::path(original.string() + "_" + name_of(pointer));
  for (int i = 2; fs::exists(fs::symlink_status(aside)); ++i) {
    aside = fmt::format("{}_{}_{}", original.string(), name_of(pointer), i);
  }
  fs::rename(pointer, aside);
  if (is_redundant) {
    hidden = aside;
  } else {
    logger().warn("{} was a folder instead of a link; renamed it to {}", pointer.string(),
                  name_of(aside));
  }
  return true;
}

bool means_no_links(int error) {
  return error == EPERM || error == EOPNOTSUPP || error == ENOSYS || error == EINVAL;
}

// Removes a file, a link (not what it points to) or a folder.
void remove_quietly(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) logger().warn("cannot remove {}: {}", path.string(), error.message());
}

}  // namespace

std::string step_name(std::int64_t step) { return fmt::format("step_{:08}", step); }

std::optional<std::int64_t> step_of(const fs::path& folder) {
  static const std::regex pattern("step_([0-9]{8,18})");
  std::smatch match;
  const std::string name = name_of(folder);
  if (!std::regex_match(name, match, pattern)) return std::nullopt;
  return std::stoll(match[1]);
}

std::vector<CheckpointFolder> checkpoints_in(const fs::path& folder) {
  std::vector<CheckpointFolder> found;
  std::vector<fs::path> others;
  for (const fs::path& entry : entries_of(folder)) {
    std::error_code error;
    if (name_of(entry).starts_with(".") || !fs::is_directory(entry, error)) continue;
    if (const auto step = step_of(entry)) {
      found.push_back({entry, *step});
    } else {
      others.push_back(entry);
    }
  }
  if (!found.empty()) return sorted(std::move(found));
  for (const fs::path& other : others) {
    if (const auto step = stated_step(other)) found.push_back({other, *step});
  }
  return sorted(std::move(found));
}

bool is_pointer(const fs::path& path) {
  return name_of(path) == "latest" || name_of(path) == "best";
}

std::optional<fs::path> pointed_at(const fs::path& pointer) {
  const fs::path folder = pointer.has_parent_path() ? pointer.parent_path() : fs::path(".");
  if (is_real_folder(pointer)) {
    // A copy: there may be newer checkpoints in the same folder.
    const auto step = stated_step(pointer);
    std::optional<fs::path> chosen;
    for (const CheckpointFolder& beside : checkpoints_in(folder)) {
      if (!step_of(beside.path) || !has_state(beside.path)) continue;
      const bool is_newer = name_of(pointer) == "latest" && step && beside.step > *step;
      if (!step || is_newer || beside.step == *step) chosen = beside.path;
    }
    return chosen || !has_state(pointer) ? chosen : pointer;
  }
  // A link or a file that points to a checkpoint.
  const std::string name = target_name(pointer);
  const fs::path sibling = folder / name;
  if (has_state(pointer)) {
    std::error_code error;  // a link may lead elsewhere
    return fs::equivalent(pointer, sibling, error) ? sibling : pointer;
  }
  if (!name.empty() && has_state(sibling)) return sibling;
  // A broken pointer: use the newest checkpoint for `latest`, refuse to guess for `best`.
  std::vector<CheckpointFolder> beside = checkpoints_in(folder);
  std::erase_if(beside, [](const CheckpointFolder& item) { return !has_state(item.path); });
  if (beside.empty()) return std::nullopt;
  if (name_of(pointer) == "best") {
    throw Error({.what = name.empty() ? "no best checkpoint is recorded yet"
                                      : "the best checkpoint is missing",
                 .where = pointer.string(),
                 .expected = name,
                 .found = name_of(beside.back().path),
                 .next = "give the path of a checkpoint"});
  }
  if (!name.empty()) {
    logger().warn("{} points to {}, which is missing; using {}", pointer.string(), name,
                  name_of(beside.back().path));
  }
  return beside.back().path;
}

void point_at(const fs::path& pointer, const fs::path& target) {
  const std::string name = name_of(target);
  if (!is_real_folder(pointer) && target_name(pointer) == name) return;
  // Move a copy out of the way.
  fs::path former;
  if (is_real_folder(pointer) && !set_copy_aside(pointer, former)) {
    logger().warn("{} is a folder without a checkpoint; it is not replaced by a link",
                  pointer.string());
    return;
  }
  // Write a link, or a file if there are no links.
  const fs::path temporary = temporary_name(pointer);
  const bool is_linked = ::symlink(name.c_str(), temporary.c_str()) == 0;
  if (!is_linked && means_no_links(errno)) {
    write_text_atomically(pointer, name + "\n");
  } else if (!is_linked || std::rename(temporary.c_str(), pointer.c_str()) != 0) {
    throw Error({.what = std::string("cannot create the link: ") + std::strerror(errno),
                 .where = pointer.string()});
  }
  if (!former.empty()) remove_quietly(former);
}

void clear_leftovers(const fs::path& folder) {
  static const std::regex pattern(
      "\\.(step_[0-9]{8,18}\\.tmp.*|(removed|replaced)_step_[0-9]{8,18}|(latest|best)\\..*)");
  for (const fs::path& entry : entries_of(folder)) {
    if (std::regex_match(name_of(entry), pattern)) remove_quietly(entry);
  }
}

void restore_replaced(const fs::path& folder) {
  for (const fs::path& entry : entries_of(folder)) {
    const std::string name = name_of(entry);
    if (!name.starts_with(kReplaced)) continue;
    const fs::path own = folder / name.substr(std::strlen(kReplaced));
    if (!step_of(own) || !has_state(entry) || fs::exists(fs::symlink_status(own))) continue;
    fs::rename(entry, own);
    logger().warn("restored {}: a process was killed while replacing it", own.string());
  }
}

}  // namespace roboimi
