#include "roboimi/suite/local_target.h"

#include "roboimi/suite/job_config.h"

namespace roboimi {

LocalTarget::LocalTarget(TargetSpec spec, const std::filesystem::path& suite_folder)
    : spec_(std::move(spec)),
      suite_folder_(std::filesystem::absolute(suite_folder)),
      folder_(target_folder(suite_folder, spec_.name)) {}

void LocalTarget::launch(const LaunchOrder& order) {
  WorkQueue queue{.target = spec_.name,
                  .suite_folder = suite_folder_.string(),
                  .directory = std::filesystem::absolute(order.directory).string(),
                  .program = std::filesystem::read_symlink("/proc/self/exe").string(),
                  .options = {},
                  .smoke = order.smoke_steps > 0,
                  .slots = slots_of(spec_),
                  .jobs = {}};
  for (const auto& path : order.plugin_paths) {
    queue.options.push_back("--plugin-path=" + std::filesystem::absolute(path).string());
  }
  std::vector<WorkJob> jobs;
  std::vector<std::string> names;
  for (const LaunchJob& job : order.jobs) {
    jobs.push_back(write_job(folder_, folder_, job, spec_.threads, order.smoke_steps));
    names.push_back(job.name);
  }
  queue.jobs = merged_jobs(folder_, jobs);
  folder_.write_queue(queue);
  request_work(folder_, "start", names);
}

void LocalTarget::resume(const std::vector<std::string>& names) {
  request_work(folder_, "start", names);
}

void LocalTarget::stop(const std::vector<std::string>& names) {
  request_work(folder_, "stop", names);
}

std::vector<RunStatus> LocalTarget::observe() { return observe_work(folder_); }

}  // namespace roboimi
