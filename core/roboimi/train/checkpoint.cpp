#include "roboimi/train/checkpoint.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/version.h>
#include <unistd.h>

#include <algorithm>
#include <regex>
#include <set>
#include <variant>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/paths.h"
#include "roboimi/io/safetensors.h"
#include "roboimi/train/checkpoint_json.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

std::string folder_name(std::int64_t step) { return fmt::format("step_{:08}", step); }

// The step in a checkpoint folder's name, if it is one.
std::optional<std::int64_t> step_of(const fs::path& folder) {
  static const std::regex pattern("step_([0-9]{8,18})");
  std::smatch match;
  const std::string name = folder.filename().string();
  if (!std::regex_match(name, match, pattern)) return std::nullopt;
  return std::stoll(match[1]);
}

// Points the link at a sibling, replacing it in one step.
void replace_link(const fs::path& link, const fs::path& target) {
  const fs::path temporary =
      link.parent_path() / fmt::format(".{}.{}", link.filename().string(), ::getpid());
  std::error_code error;
  fs::remove(temporary, error);
  fs::create_directory_symlink(target.filename(), temporary, error);
  if (!error) fs::rename(temporary, link, error);
  if (error) {
    throw Error({.what = "cannot create the link: " + error.message(), .where = link.string()});
  }
}

}  // namespace

// ---- Conditions ---------------------------------------------------------------------------------

NumericConditions NumericConditions::current(const std::string& device) {
  return {.threads = at::get_num_threads(),
          .cpu_capability = at::get_cpu_capability(),
          .libtorch = TORCH_VERSION,
          .precision = "float32",
          .device = device};
}

std::string NumericConditions::difference(const NumericConditions& other) const {
  std::vector<std::string> parts;
  const auto compare = [&](const char* name, const auto& mine, const auto& theirs) {
    if (mine != theirs) parts.push_back(fmt::format("{} {} against {}", name, mine, theirs));
  };
  compare("threads", threads, other.threads);
  compare("CPU capability", cpu_capability, other.cpu_capability);
  compare("libtorch", libtorch, other.libtorch);
  compare("precision", precision, other.precision);
  compare("device", device, other.device);
  compare("processes", processes, other.processes);
  return fmt::format("{}", fmt::join(parts, ", "));
}

// ---- The store ----------------------------------------------------------------------------------

struct CheckpointStore::Entry {
  fs::path folder;
  std::int64_t step = 0;
  std::optional<double> success_rate;
};

CheckpointStore::CheckpointStore(fs::path folder, std::int64_t keep_top_k)
    : folder_(std::move(folder)), keep_top_k_(keep_top_k) {
  fs::create_directories(folder_);
  std::vector<fs::path> leftovers;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    if (entry.path().filename().string().starts_with(".")) leftovers.push_back(entry.path());
  }
  for (const fs::path& leftover : leftovers) fs::remove_all(leftover);
}

std::vector<CheckpointStore::Entry> CheckpointStore::entries() const {
  std::vector<Entry> found;
  for (const auto& item : fs::directory_iterator(folder_)) {
    const auto step = step_of(item.path());
    if (!step || item.is_symlink() || !fs::exists(item.path() / "state.json")) continue;
    const CheckpointState state = read_checkpoint_state(item.path());
    Entry entry{.folder = item.path(), .step = *step};
    const auto rate = state.rollouts.find("success_rate");
    if (rate != state.rollouts.end()) entry.success_rate = rate->second;
    found.push_back(entry);
  }
  std::sort(found.begin(), found.end(),
            [](const Entry& a, const Entry& b) { return a.step < b.step; });
  return found;
}

fs::path CheckpointStore::save(const Checkpoint& checkpoint) {
  const fs::path folder = folder_ / folder_name(checkpoint.state.step);
  fs::path replaced;
  const auto fill = [&](const fs::path& temporary) {
    write_safetensors(temporary / "model.safetensors", checkpoint.model, checkpoint.model_metadata);
    if (checkpoint.state.ema_step) write_safetensors(temporary / "ema.safetensors", checkpoint.ema);
    write_safetensors(temporary / "optimizer.safetensors", checkpoint.optimizer);
    write_text_atomically(temporary / "config.yaml", checkpoint.config_yaml);
    write_text_atomically(temporary / "state.json", checkpoint_state_to_json(checkpoint.state));
    // Only now, with the new one whole, does one of the same step make room.
    if (fs::exists(folder)) {
      replaced = folder_ / (".replaced_" + folder.filename().string());
      fs::rename(folder, replaced);
    }
  };
  write_folder_atomically(folder, fill);
  if (!replaced.empty()) fs::remove_all(replaced);
  update_links_and_prune();
  return folder;
}

void CheckpointStore::record_rollouts(std::int64_t step,
                                      const std::map<std::string, double>& results) {
  const fs::path folder = folder_ / folder_name(step);
  CheckpointState state = read_checkpoint_state(folder);
  state.rollouts = results;
  write_text_atomically(folder / "state.json", checkpoint_state_to_json(state));
  update_links_and_prune();
}

void CheckpointStore::update_links_and_prune() {
  std::vector<Entry> ranked = entries();
  if (ranked.empty()) return;
  const fs::path newest = ranked.back().folder;
  replace_link(folder_ / "latest", newest);
  std::sort(ranked.begin(), ranked.end(), [](const Entry& a, const Entry& b) {
    const double mine = a.success_rate.value_or(-1.0), other = b.success_rate.value_or(-1.0);
    return mine != other ? mine > other : a.step > b.step;
  });
  if (ranked.front().success_rate) replace_link(folder_ / "best", ranked.front().folder);
  for (std::size_t i = 0; i < ranked.size(); ++i) {
    const bool kept = static_cast<std::int64_t>(i) < keep_top_k_ || ranked[i].folder == newest;
    // `best` outlives keep_top_k 0: a link must not point nowhere.
    if (!kept && !(i == 0 && ranked[i].success_rate)) remove(ranked[i].folder);
  }
}

void CheckpointStore::remove(const fs::path& folder) const {
  // Out of sight first: a process killed half-way leaves no half checkpoint under its name.
  const fs::path hidden = folder_ / (".removed_" + folder.filename().string());
  fs::rename(folder, hidden);
  fs::remove_all(hidden);
}

std::optional<fs::path> CheckpointStore::latest() const {
  const std::vector<Entry> found = entries();
  if (found.empty()) return std::nullopt;
  return found.back().folder;
}

std::optional<Checkpoint> CheckpointStore::read_latest() const {
  std::map<std::int64_t, fs::path> folders;
  for (const auto& item : fs::directory_iterator(folder_)) {
    const auto step = step_of(item.path());
    if (step && !item.is_symlink()) folders[*step] = item.path();
  }
  if (folders.empty()) return std::nullopt;
  const auto read = [](const fs::path& folder) -> std::variant<Checkpoint, Error> {
    try {
      return read_checkpoint(folder);
    } catch (const Error& error) {
      return error;
    }
  };
  auto newest = read(folders.rbegin()->second);
  if (auto* whole = std::get_if<Checkpoint>(&newest)) return std::move(*whole);
  Error::Parts parts = std::get<Error>(newest).parts();
  parts.what = "the newest checkpoint is damaged: " + parts.what;
  parts.next = "none of this run is whole: start again";
  for (auto older = std::next(folders.rbegin()); older != folders.rend(); ++older) {
    if (!std::holds_alternative<Checkpoint>(read(older->second))) continue;
    parts.next = fmt::format("to continue from {}, remove {}", older->second.filename().string(),
                             folders.rbegin()->second.string());
    break;
  }
  throw Error(std::move(parts));
}

// ---- Reading ------------------------------------------------------------------------------------

CheckpointState read_checkpoint_state(const fs::path& folder) {
  const fs::path file = folder / "state.json";
  return checkpoint_state_from_json(read_text(file), file.string());
}

Checkpoint read_checkpoint(const fs::path& folder, bool with_optimizer) {
  Checkpoint checkpoint{.state = read_checkpoint_state(folder)};
  checkpoint.config_yaml = read_text(folder / "config.yaml");
  checkpoint.model = read_safetensors(folder / "model.safetensors").tensors;
  if (checkpoint.state.ema_step) {
    checkpoint.ema = read_safetensors(folder / "ema.safetensors").tensors;
  }
  if (with_optimizer) {
    checkpoint.optimizer = read_safetensors(folder / "optimizer.safetensors").tensors;
  }
  return checkpoint;
}

fs::path find_checkpoint(const fs::path& written) {
  const fs::path given = expand_home(written.string());
  if (fs::exists(given / "state.json")) return given;
  for (const fs::path& folder : {given, given / kCheckpointsFolder}) {
    std::optional<fs::path> newest;
    if (!fs::is_directory(folder)) continue;
    for (const auto& item : fs::directory_iterator(folder)) {
      if (!step_of(item.path()) || !fs::exists(item.path() / "state.json")) continue;
      if (!newest || *step_of(item.path()) > *step_of(*newest)) newest = item.path();
    }
    if (newest) return *newest;
  }
  throw Error({.what = "no checkpoint here",
               .where = given.string(),
               .expected = "a run's folder, its checkpoints folder, or one of them (step_00050000, "
                           "latest, best)",
               .found = fs::exists(given) ? "none of these" : "nothing of that name"});
}

}  // namespace roboimi
