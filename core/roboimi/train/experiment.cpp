#include "roboimi/train/experiment.h"

#include <ATen/Parallel.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <iostream>
#include <utility>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/interrupted.h"
#include "roboimi/common/log.h"
#include "roboimi/common/origin.h"
#include "roboimi/config/difference.h"
#include "roboimi/plugin/registry.h"
#include "roboimi/train/experiment_run.h"
#include "roboimi/train/preflight.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

const std::string kFailed = "failed: ";  // prefix of a status in run.json

// Makes libtorch use this GPU where no tensor chooses one, such as for pinned memory. Otherwise
// each process of a machine would occupy memory on the first GPU.
void make_current(c10::Device device) {
  if (device.is_cuda()) c10::impl::VirtualGuardImpl(device.type()).setDevice(device);
}

}  // namespace

int Experiment::run() {
  make_current(device_);
  // Check everything, then open the folder and its log.
  if (leads_ && experiment_.track.mode != "off") swanlab_ = find_swanlab(experiment_.track);
  require_same_configuration(config_.to_yaml(), *communicator_);
  if (!prepare()) return 0;
  open_folder();
  std::optional<LogFile> log;
  if (leads_) {
    early_log_.write_to(folder_ / "log.txt");
    log.emplace(folder_ / "log.txt");
  }
  logger().info("run folder {}", folder_.string());
  // Train, and record the outcome in run.json.
  try {
    const int status = train();
    conclude(status == 0 ? "finished" : "interrupted");
    communicator_->finish();
    return status;
  } catch (const Interrupted& error) {
    // During data preparation; the trainer itself returns.
    logger().warn("ended early: {}", error.what());
    try_to_conclude("interrupted");
    return kInterruptedStatus;
  } catch (const std::exception& error) {
    const std::string end = kFailed + one_line_message(error);
    logger().debug("{}", end);
    try_to_conclude(end);
    throw;
  }
}

// Must not hide the error that ends the run.
void Experiment::try_to_conclude(const std::string& status) {
  try {
    conclude(status);
  } catch (const std::exception& error) {
    logger().debug("run.json was not written: {}", one_line_message(error));
  }
}

void Experiment::write_record() {
  if (leads_) write_run_record(folder_, record_);
}

// Any process that fails writes run.json, because the processes that it ends cannot.
void Experiment::conclude(const std::string& status) {
  record_.status = status;
  if (leads_ || status.starts_with(kFailed)) write_run_record(folder_, record_);
  trackers_.finish();
}

// Locks the folder against other runs. Rank 0 cleans up its checkpoints before the others read
// them.
void Experiment::claim_folder() {
  first_rank_first(*communicator_, [this] {
    if (leads_) lock_.emplace(ProcessLock::take_folder(folder_, "run"));
    checkpoints_ =
        std::make_unique<CheckpointStore>(folder_ / kCheckpointsFolder, train_.keep_top_k);
  });
}

// Runs all checks before anything is written. Returns false for a dry run, which ends here.
bool Experiment::prepare() {
  // Lock the folder of a resumed run before reading its checkpoint.
  if (run_.resume && !run_.dry_run) {
    folder_ = *run_.resume;
    require_run_to_resume(folder_);
    claim_folder();
  }
  // Set the threads before the agent initializes its weights.
  if (train_.threads > 0) at::set_num_threads(static_cast<int>(train_.threads));
  // Run the checks.
  const TrainingDataOptions data = data_options();
  const PreflightOptions checks{.experiment = options_,
                                .cache = experiment_.cache,
                                .train = train_,
                                .data = data,
                                .resume = run_.resume,
                                .communicator = *communicator_};
  Preflight found = run_preflight(checks);
  if (run_.dry_run) {
    if (leads_) std::cout << describe_plan(found, checks) << std::flush;
    communicator_->finish();
    return false;
  }
  // Keep the objects that they created.
  resumed_ = std::move(found.resumed);
  agent_ = found.agent;
  environment_ = found.environment;
  data_ = std::move(found.data);
  record_.num_parameters = found.num_parameters;
  return true;
}

// Creates or opens the run folder. Rank 0 chooses its name.
void Experiment::open_folder() {
  if (leads_ && !run_.resume) {
    folder_ = create_run_folder(experiment_.output_dir, experiment_.name);
  }
  folder_ = broadcast_text(folder_.string(), *communicator_);
  if (!run_.resume) claim_folder();
  record_.created = run_.resume ? creation_time(folder_) : time_now();
  if (resumed_) {
    record_.resumed_step = resumed_->state.step;
    record_.data_fingerprint = recorded_data_fingerprint(folder_);  // until prepare_data()
  }
  note_changes();
  // A resumed run keeps its config.yaml until resume() has shown that the new one fits.
  if (leads_ && !resumed_) write_text_atomically(folder_ / "config.yaml", config_.to_yaml());
}

// Finds and logs how the configuration differs from that of the resumed run.
void Experiment::note_changes() {
  if (!resumed_ || resumed_->config_yaml == config_.to_yaml()) return;
  const ConfigNode former = parse_yaml(resumed_->config_yaml, "the checkpoint's config.yaml");
  changes_ = summary_of_changes(config_changes(former, config_));
  if (!leads_ || changes_.empty()) return;
  logger().warn("the configuration differs from the one this run was started with: {}", changes_);
  // A changed max_steps also stretches the learning-rate schedule.
  const ConfigNode* former_steps = former.find_path("train.max_steps");
  const std::string max_steps = std::to_string(train_.max_steps);
  if (former_steps == nullptr || former_steps->text() == max_steps) return;
  if (train_.schedule.kind == LearningRateSchedule::Kind::kConstant) return;
  logger().warn(
      "train.max_steps also changes the learning-rate schedule: it now ends at step {} and not at "
      "step {}, so the learning rate jumps at step {}",
      max_steps, former_steps->text(), resumed_->state.step);
}

int run_experiment(const ConfigNode& root, const RunOptions& options) {
  return Experiment(root, options).run();
}

}  // namespace roboimi
