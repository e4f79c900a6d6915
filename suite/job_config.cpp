#include "suite/job_config.h"

#include <algorithm>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/config/scalar.h"

namespace roboimi {
namespace {

std::int64_t integer_at(const ConfigNode& config, const char* key, std::int64_t otherwise) {
  const ConfigNode* node = config.find_path(key);
  if (node == nullptr || !node->is_scalar()) return otherwise;
  return config::read_whole_number(node->text()).value_or(otherwise);
}

void set_integer(ConfigNode& config, const char* key, std::int64_t value) {
  config.set_path(key, ConfigNode::scalar(std::to_string(value)));
}

void set_text(ConfigNode& config, const char* key, const std::string& value) {
  config.set_path(key, ConfigNode::scalar(config::escape_references(value), {}, /*quoted=*/true));
}

// The config of a trial: a few steps that load, train, save and, if the run does, roll out.
ConfigNode trial_of(ConfigNode config, std::int64_t steps, const std::filesystem::path& output) {
  const std::int64_t episodes = integer_at(config, "train.rollout_num_episodes", 1);
  set_integer(config, "train.max_steps", steps);
  set_integer(config, "train.log_every", 1);
  set_integer(config, "train.rollout_num_episodes", std::min<std::int64_t>(1, episodes));
  set_text(config, "output_dir", output.string());
  // A trial is not uploaded, but it must fail if the tracker's package is missing.
  if (const ConfigNode* swanlab = config.find_path("track.swanlab");
      swanlab != nullptr && swanlab->is_scalar() && swanlab->text() == "cloud") {
    set_text(config, "track.swanlab", "offline");
  }
  return config;
}

}  // namespace

WorkJob write_job(const WorkFolder& folder, const WorkFolder& there, const LaunchJob& job,
                  std::int64_t threads, std::int64_t smoke_steps) {
  ConfigNode config = job.config;
  const std::int64_t max_steps = integer_at(config, "train.max_steps", 0);
  if (max_steps < 1) {
    throw Error({.what = "the run has no train.max_steps",
                 .where = job.name,
                 .expected = "train.max_steps=N in its config or overrides"});
  }
  set_text(config, "name", job.name);
  set_text(config, "output_dir", there.runs(job.name).string());
  if (threads > 0) set_integer(config, "train.threads", threads);
  write_text_atomically(folder.config(job.name), config.to_yaml());
  if (smoke_steps > 0) {
    const ConfigNode trial = trial_of(config, smoke_steps, there.smoke_runs(job.name));
    write_text_atomically(folder.smoke_config(job.name), trial.to_yaml());
  }
  return {.name = job.name, .gpu = job.gpu, .max_steps = max_steps, .smoke = smoke_steps > 0};
}

std::vector<WorkSlot> slots_of(const TargetSpec& spec) {
  std::vector<WorkSlot> slots;
  if (spec.kind == TargetKind::kSlurm) return slots;
  for (const std::int64_t gpu : spec.gpus) slots.push_back({"gpu " + std::to_string(gpu), gpu});
  for (std::int64_t i = 0; spec.gpus.empty() && i < spec.slots; ++i) {
    slots.push_back({"slot " + std::to_string(i), std::nullopt});
  }
  return slots;
}

std::vector<std::string> write_queue_here(const WorkFolder& folder, const TargetSpec& spec,
                                          const std::filesystem::path& suite_folder,
                                          const LaunchOrder& order) {
  WorkQueue queue{.target = spec.name,
                  .suite_folder = suite_folder.string(),
                  .directory = std::filesystem::absolute(order.directory).string(),
                  .program = std::filesystem::read_symlink("/proc/self/exe").string(),
                  .options = {},
                  .slots = slots_of(spec),
                  .jobs = {}};
  for (const auto& path : order.plugin_paths) {
    queue.options.push_back("--plugin-path=" + std::filesystem::absolute(path).string());
  }
  std::vector<WorkJob> jobs;
  std::vector<std::string> names;
  for (const LaunchJob& job : order.jobs) {
    jobs.push_back(write_job(folder, folder, job, spec.threads, order.smoke_steps));
    names.push_back(job.name);
  }
  queue.jobs = merged_jobs(folder, jobs);
  folder.write_queue(queue);
  return names;
}

std::vector<WorkJob> merged_jobs(const WorkFolder& folder, const std::vector<WorkJob>& jobs) {
  std::vector<WorkJob> all = folder.has_queue() ? folder.read_queue().jobs : std::vector<WorkJob>();
  for (const WorkJob& job : jobs) {
    std::erase_if(all, [&](const WorkJob& known) { return known.name == job.name; });
    all.push_back(job);
  }
  return all;
}

}  // namespace roboimi
