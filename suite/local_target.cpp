#include "suite/local_target.h"

#include "suite/job_config.h"

namespace roboimi {

LocalTarget::LocalTarget(TargetSpec spec, const std::filesystem::path& suite_folder)
    : spec_(std::move(spec)),
      suite_folder_(std::filesystem::absolute(suite_folder)),
      folder_(target_folder(suite_folder, spec_.name)) {}

void LocalTarget::launch(const LaunchOrder& order) {
  const auto names = write_queue_here(folder_, spec_, suite_folder_, order);
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
