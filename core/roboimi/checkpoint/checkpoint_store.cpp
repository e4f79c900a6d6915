#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <variant>

#include "roboimi/checkpoint/checkpoint.h"
#include "roboimi/checkpoint/checkpoint_folder.h"
#include "roboimi/checkpoint/checkpoint_json.h"
#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/hash.h"
#include "roboimi/common/log.h"
#include "roboimi/io/safetensors.h"

namespace roboimi {

namespace fs = std::filesystem;

namespace {

// A finite result, or nothing.
std::optional<double> result(const std::map<std::string, double>& results,
                             const std::string& name) {
  const auto found = results.find(name);
  if (found == results.end() || !std::isfinite(found->second)) return std::nullopt;
  return found->second;
}

}  // namespace

struct CheckpointStore::Entry {
  fs::path folder;
  std::int64_t step = 0;
  std::optional<double> success_rate, action_error;

  bool is_ranked() const { return success_rate || action_error; }
  // Greater is better. An entry with a success rate is better than any without.
  std::tuple<double, double, std::int64_t> rank() const {
    const double error = action_error.value_or(std::numeric_limits<double>::infinity());
    return {success_rate.value_or(-1.0), success_rate ? 0.0 : -error, step};
  }
};

CheckpointStore::CheckpointStore(fs::path folder, std::int64_t keep_top_k)
    : folder_(std::move(folder)), keep_top_k_(keep_top_k) {
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) {
    throw Error(
        {.what = "cannot create the folder: " + error.message(), .where = folder_.string()});
  }
  restore_replaced(folder_);
}

std::vector<CheckpointStore::Entry> CheckpointStore::entries() const {
  std::vector<Entry> found;
  for (const CheckpointFolder& item : checkpoints_in(folder_)) {
    if (!step_of(item.path) || !fs::exists(item.path / "state.json")) continue;
    Entry entry{.folder = item.path, .step = item.step};
    try {
      const CheckpointState state = read_checkpoint_state(item.path);
      entry.success_rate = result(state.rollouts, "success_rate");
      entry.action_error = result(state.validation, "action_error");
    } catch (const Error& error) {
      if (skipped_.insert(item.path).second) {
        logger().warn("skipping checkpoint {}: {}", item.path.filename().string(), error.what());
      }
      continue;
    }
    found.push_back(entry);
  }
  return found;
}

void CheckpointStore::recover() {
  // If the folder is a link to another place, only save() writes there.
  if (fs::is_symlink(folder_)) return;
  clear_once();
  update_links_and_prune();
}

void CheckpointStore::clear_once() {
  if (!is_cleared_) clear_leftovers(folder_);
  is_cleared_ = true;
}

fs::path CheckpointStore::save(const Checkpoint& checkpoint) {
  clear_once();
  const fs::path folder = folder_ / step_name(checkpoint.state.step);
  write_folder_atomically(folder, [&](const fs::path& temporary) {
    // Tensors, with their checksums.
    CheckpointState state = checkpoint.state;
    state.sha256.clear();
    const auto write_tensors = [&](const std::string& name, const TensorMap& tensors,
                                   const std::map<std::string, std::string>& metadata = {}) {
      Sha256 sum;
      write_safetensors(temporary / name, tensors, metadata, &sum);
      state.sha256[name] = sum.hex();
    };
    write_tensors("model.safetensors", checkpoint.model, checkpoint.model_metadata);
    if (state.ema_step) write_tensors("ema.safetensors", checkpoint.ema);
    write_tensors("optimizer.safetensors", checkpoint.optimizer);
    // Configuration and state.
    const std::string& config = checkpoint.config_yaml;
    write_text_atomically(temporary / "config.yaml", config);
    state.sha256["config.yaml"] = Sha256().update(config.data(), config.size()).hex();
    write_text_atomically(temporary / "state.json", checkpoint_state_to_json(state));
  });
  update_links_and_prune();
  return folder;
}

void CheckpointStore::record_rollouts(std::int64_t step,
                                      const std::map<std::string, double>& results) {
  fs::path folder = folder_ / step_name(step);
  for (const CheckpointFolder& item : checkpoints_in(folder_)) {
    if (item.step == step) folder = item.path;  // it may have another name, see checkpoints_in()
  }
  CheckpointState state = read_checkpoint_state(folder);
  state.rollouts = results;
  write_text_atomically(folder / "state.json", checkpoint_state_to_json(state));
  update_links_and_prune();
}

void CheckpointStore::update_links_and_prune() {
  std::vector<Entry> ranked = entries();
  if (ranked.empty()) return;
  const fs::path newest = ranked.back().folder;
  point_at(folder_ / "latest", newest);
  // Rank them.
  std::sort(ranked.begin(), ranked.end(),
            [](const Entry& a, const Entry& b) { return a.rank() > b.rank(); });
  if (ranked.front().is_ranked()) point_at(folder_ / "best", ranked.front().folder);
  // Remove all but the newest and the best keep_top_k.
  for (std::size_t i = 0; i < ranked.size(); ++i) {
    const bool kept = static_cast<std::int64_t>(i) < keep_top_k_ || ranked[i].folder == newest;
    // Keep the target of `best` even if keep_top_k is 0, so that the link is not broken.
    if (!kept && !(i == 0 && ranked[i].is_ranked())) remove(ranked[i].folder);
  }
}

void CheckpointStore::remove(const fs::path& folder) const {
  if (fs::is_symlink(folder)) return;  // the user stores it elsewhere
  // Rename first, so that a killed process leaves no partial checkpoint under the checkpoint's
  // name.
  const fs::path hidden = folder_ / (".removed_" + folder.filename().string());
  // A failure must not end the training: on a network folder, a file that a reader has open keeps
  // its folder from being removed. The next CheckpointStore that saves removes what is left.
  std::error_code error;
  fs::remove_all(hidden, error);
  fs::rename(folder, hidden, error);
  if (!error) fs::remove_all(hidden, error);
  if (error) {
    logger().warn("cannot remove the checkpoint {}: {}", folder.string(), error.message());
  }
}

std::optional<fs::path> CheckpointStore::latest() const {
  const std::vector<Entry> found = entries();
  if (found.empty()) return std::nullopt;
  return found.back().folder;
}

std::optional<Checkpoint> CheckpointStore::read_latest() const {
  return read_newest_checkpoint(folder_);
}

std::optional<Checkpoint> read_newest_checkpoint(const fs::path& folder) {
  const std::vector<CheckpointFolder> folders = checkpoints_in(folder);
  if (folders.empty()) return std::nullopt;
  const auto read = [](const fs::path& path) -> std::variant<Checkpoint, Error> {
    try {
      return read_checkpoint(path);
    } catch (const Error& error) {
      return error;
    }
  };
  auto newest = read(folders.back().path);
  if (auto* intact = std::get_if<Checkpoint>(&newest)) return std::move(*intact);
  // It is damaged: look for the newest intact one, for the message.
  Error::Parts parts = std::get<Error>(newest).parts();
  parts.what = "the newest checkpoint is damaged: " + parts.what;
  parts.next = "this run has no intact checkpoint: train again";
  for (auto older = std::next(folders.rbegin()); older != folders.rend(); ++older) {
    if (!std::holds_alternative<Checkpoint>(read(older->path))) continue;
    parts.next = fmt::format("to continue from {}, remove {}", older->path.filename().string(),
                             folders.back().path.string());
    break;
  }
  throw Error(std::move(parts));
}

}  // namespace roboimi
