#include "roboimi/checkpoint/checkpoint.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/version.h>

#include <functional>

#include "roboimi/checkpoint/checkpoint_folder.h"
#include "roboimi/checkpoint/checkpoint_json.h"
#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/hash.h"
#include "roboimi/common/paths.h"
#include "roboimi/io/safetensors.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

// Throws Error if the file is not the one that was saved. Old checkpoints have no checksums.
void check_sum(const CheckpointState& state, const fs::path& file) {
  const auto expected = state.sha256.find(file.filename().string());
  if (expected == state.sha256.end()) return;
  const std::string found = sha256_file(file);
  if (found == expected->second) return;
  const bool is_config = file.extension() == ".yaml";
  throw Error({.what = "not the file that was saved: damaged or changed",
               .where = file.string(),
               .expected = "SHA-256 " + expected->second,
               .found = found,
               .next = is_config ? "restore it, and make changes on the command line (a.b=c)"
                                 : "copy it again from an intact source, or use another "
                                   "checkpoint"});
}

TensorMap read_tensors(const CheckpointState& state, const fs::path& file) {
  check_sum(state, file);
  return read_safetensors(file).tensors;
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
    if (mine != theirs) parts.push_back(fmt::format("{} {} vs. {}", name, mine, theirs));
  };
  compare("threads", threads, other.threads);
  compare("CPU capability", cpu_capability, other.cpu_capability);
  compare("libtorch", libtorch, other.libtorch);
  compare("precision", precision, other.precision);
  compare("device", device, other.device);
  compare("processes", processes, other.processes);
  compare("matmul", matmul, other.matmul);
  compare("CUDA graph", cuda_graph, other.cuda_graph);
  return fmt::format("{}", fmt::join(parts, ", "));
}

// ---- Reading ------------------------------------------------------------------------------------

CheckpointState read_checkpoint_state(const fs::path& folder) {
  const fs::path file = folder / "state.json";
  return checkpoint_state_from_json(read_text(file), file.string());
}

Checkpoint read_checkpoint(const fs::path& folder, bool with_optimizer) {
  Checkpoint checkpoint{.state = read_checkpoint_state(folder)};
  const CheckpointState& state = checkpoint.state;
  check_sum(state, folder / "config.yaml");
  checkpoint.config_yaml = read_text(folder / "config.yaml");
  checkpoint.model = read_tensors(state, folder / "model.safetensors");
  if (state.ema_step) checkpoint.ema = read_tensors(state, folder / "ema.safetensors");
  if (with_optimizer) checkpoint.optimizer = read_tensors(state, folder / "optimizer.safetensors");
  return checkpoint;
}

std::vector<std::string> problems_of_checkpoint(const fs::path& folder) {
  std::vector<std::string> problems;
  const auto attempt = [&](const std::function<void()>& work) {
    try {
      work();
    } catch (const Error& error) {
      problems.emplace_back(error.what());
    }
  };
  CheckpointState state;
  attempt([&] { state = read_checkpoint_state(folder); });
  if (!problems.empty()) return problems;
  for (const auto& item : state.sha256) attempt([&] { check_sum(state, folder / item.first); });
  if (problems.empty()) attempt([&] { read_checkpoint(folder); });
  return problems;
}

fs::path find_checkpoint(const fs::path& written) {
  const fs::path given = expand_home(written.string());
  const fs::path path = given.has_filename() ? given : given.parent_path();  // "latest/"
  // A link or a checkpoint itself.
  if (is_pointer(path)) {
    if (const auto found = pointed_at(path)) return *found;
  }
  if (fs::exists(path / "state.json")) return path;
  // The newest in a folder of checkpoints or in a run.
  for (const fs::path& folder : {path, path / kCheckpointsFolder}) {
    std::optional<fs::path> newest;
    for (const CheckpointFolder& item : checkpoints_in(folder)) {
      if (fs::exists(item.path / "state.json")) newest = item.path;
    }
    if (newest) return *newest;
  }
  // None: a hint for a file inside a checkpoint.
  const bool is_inside = fs::is_regular_file(path) && fs::exists(path.parent_path() / "state.json");
  throw Error({.what = "no checkpoint here",
               .where = given.string(),
               .expected = "a run's folder, its checkpoints folder, or one of them (step_00050000, "
                           "latest, best)",
               .found = is_inside          ? "a file in a checkpoint"
                        : fs::exists(path) ? "none of these"
                                           : "no such file or folder",
               .next = is_inside ? "use its folder: " + path.parent_path().string() : ""});
}

}  // namespace roboimi
