#include "roboimi/train/experiment.h"

#include <ATen/Parallel.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <fmt/format.h>

#include <iostream>
#include <utility>

#include "roboimi/checkpoint/checkpoint_folder.h"
#include "roboimi/checkpoint/loaded_run.h"
#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/interrupted.h"
#include "roboimi/common/log.h"
#include "roboimi/common/origin.h"
#include "roboimi/common/paths.h"
#include "roboimi/common/process_lock.h"
#include "roboimi/config/difference.h"
#include "roboimi/contract/backbone.h"
#include "roboimi/contract/environment.h"
#include "roboimi/contract/run_files.h"
#include "roboimi/data/statistics.h"
#include "roboimi/plugin/registry.h"
#include "roboimi/rollout/open_loop_image.h"
#include "roboimi/rollout/rollout.h"
#include "roboimi/track/metrics_file.h"
#include "roboimi/track/progress.h"
#include "roboimi/track/swanlab_follower.h"
#include "roboimi/track/tensorboard_file.h"
#include "roboimi/train/experiment_options.h"
#include "roboimi/train/preflight.h"
#include "roboimi/train/run_folder.h"
#include "roboimi/train/stop_request.h"
#include "roboimi/train/team.h"
#include "roboimi/train/trainer.h"
#include "roboimi/train/training_data.h"
#include "roboimi/train/validation.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

using Measurement = std::function<Scalars(std::int64_t step)>;

const std::string kFailed = "failed: ";  // prefix of a status in run.json

// Makes libtorch use this GPU where no tensor chooses one, such as for pinned memory. Otherwise
// each process of a machine would occupy memory on the first GPU.
void make_current(c10::Device device) {
  if (device.is_cuda()) c10::impl::VirtualGuardImpl(device.type()).setDevice(device);
}

// A training run, from the parsed options to the last checkpoint.
class Experiment {
 public:
  Experiment(const ConfigNode& root, const RunOptions& run)
      : options_(experiment_options(root)),
        experiment_(options_from<ExperimentOptions>(options_)),
        communicator_(join_processes(options_)),
        leads_(communicator_->rank() == 0),
        device_(device_from(experiment_.device, communicator_->local_rank())),
        config_(resolved_experiment(options_, root)),
        run_(run) {}

  int run();

 private:
  bool prepare();
  void claim_folder();
  void open_folder();
  void note_changes();
  void write_record();
  void conclude(const std::string& status);
  void try_to_conclude(const std::string& status);
  void resume(Trainer& trainer);
  void apply_threads();
  int train();
  void prepare_data();
  void build_trackers();
  bool rolls_out() const {
    return train_.rollout_num_episodes > 0 && experiment_.env.has_value() &&
           agent_->make_actor({}) != nullptr;
  }
  TrainingDataOptions data_options() const;
  Scalars validate(std::int64_t step);
  Scalars roll_out(std::int64_t step);

  Options options_;
  const ExperimentOptions experiment_;
  const TrainOptions& train_ = experiment_.train;
  std::shared_ptr<Communicator> communicator_;
  bool leads_;  // rank 0, the only one that writes to the run folder
  c10::Device device_;
  ConfigNode config_;  // resolved; reproduces the run without any other file
  const RunOptions& run_;
  StopRequest stop_;
  LogKeeper early_log_;  // log lines from before the folder exists
  fs::path folder_;
  std::optional<ProcessLock> lock_;  // of the folder
  RunRecord record_;
  std::optional<Checkpoint> resumed_;
  std::string changes_;  // of the configuration since the run was started, as text
  std::unique_ptr<CheckpointStore> checkpoints_;
  std::shared_ptr<Environment> environment_;
  std::shared_ptr<Agent> agent_;
  TrainingData data_;
  std::unique_ptr<Validation> validation_;
  std::optional<SwanlabProgram> swanlab_;
  TrackerFanOut trackers_;
};

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

void Experiment::resume(Trainer& trainer) {
  try {
    trainer.resume(*resumed_);
  } catch (const Error& error) {
    Error::Parts parts = error.parts();
    const std::string step = step_name(resumed_->state.step);
    parts.where = parts.where.empty() ? step : step + ": " + parts.where;
    parts.next = changes_.empty() ? "" : "changed since the run was started: " + changes_ + "; ";
    parts.next += "resume with the configuration of the run: roboimi run --resume " +
                  shell_word(folder_.string());
    throw Error(std::move(parts));
  }
  if (leads_) write_text_atomically(folder_ / "config.yaml", config_.to_yaml());
  resumed_.reset();
}

// A resumed run uses the former number of threads by default: it determines how sums are split, and
// so the last bits of the results.
void Experiment::apply_threads() {
  std::int64_t threads = train_.threads;
  if (threads == 0 && resumed_) threads = resumed_->state.conditions.threads;
  if (threads > 0) at::set_num_threads(static_cast<int>(threads));
  record_.threads = at::get_num_threads();
  warn_of_few_cores(*communicator_);
}

int Experiment::train() {
  // Record the run.
  apply_threads();
  record_.name = experiment_.name;
  record_.command = run_.command;
  record_.choices = run_.choices;
  record_.device = device_.str();
  record_.processes = communicator_->size();
  write_record();

  // Prepare the data and train.
  if (leads_) keep_run_files(folder_, *agent_);
  prepare_data();
  build_trackers();
  Trainer trainer(
      {.agent = *agent_,
       .batches = [this](std::int64_t step) { return data_.sampler->batch(step); },
       .checkpoints = checkpoints_.get(),
       .tracker = leads_ ? &trackers_ : nullptr,
       .validation = validation_ == nullptr ? Measurement()
                                            : [this](std::int64_t step) { return validate(step); },
       .rollouts =
           !rolls_out() ? Measurement() : [this](std::int64_t step) { return roll_out(step); },
       .should_stop = [this] { return stop_.requested(); },
       .communicator = communicator_.get(),
       .seed = experiment_.seed,
       .device = device_,
       .config_yaml = config_.to_yaml(),
       .action_range = data_.action_range,
       .state_range = state_range(data_.statistics.state)},
      train_);
  if (resumed_) resume(trainer);
  const TrainEnd end = trainer.run();
  // Report the result.
  const auto latest = checkpoints_->latest();
  logger().info("{} after {} steps: {}", end == TrainEnd::kFinished ? "finished" : "interrupted",
                trainer.step(), latest ? latest->string() : folder_.string());
  if (end == TrainEnd::kFinished) return 0;
  logger().info("to continue: roboimi run --resume {}", shell_word(folder_.string()));
  return kInterruptedStatus;
}

TrainingDataOptions Experiment::data_options() const {
  Registry& registry = Registry::instance();
  return {.batch_size = train_.batch_size,
          .seed = experiment_.seed,
          .device = device_,
          .backbone_identity = feature_identity(registry, experiment_.agent),
          .data_identity =
              component_identity(registry, ComponentKind::kDataset, experiment_.data, "data"),
          .held_out = train_.held_out,
          .rank = communicator_->rank(),
          .num_processes = communicator_->size(),
          .should_stop = [this] { return stop_.requested(); }};
}

void Experiment::prepare_data() {
  // Rank 0 fills the caches, then the others read them.
  const TrainingDataOptions preparation = data_options();
  first_rank_first(*communicator_,
                   [&] { fill_training_data(data_, *agent_, experiment_.cache, preparation); });
  // Hand the results to the agent, the validation and run.json.
  agent_->set_statistics(data_.statistics);
  if (leads_ && data_.held_out_sampler) {
    validation_ = std::make_unique<Validation>(
        *agent_, data_,
        ValidationOptions{.batch_size = train_.batch_size,
                          .seed = experiment_.seed,
                          .device = device_,
                          .open_loop_episodes = train_.open_loop_episodes,
                          .should_stop = [this] { return stop_.requested(); }});
  }
  const std::string former = std::exchange(record_.data_fingerprint, data_.fingerprint);
  if (leads_ && !former.empty() && former != data_.fingerprint) {
    logger().warn(
        "the data files have other paths, sizes or times than when this run was started: it "
        "continues as if it had not been stopped only if their contents are the same");
  }
  record_.num_episodes = data_.dataset->num_episodes();
  record_.num_windows = data_.sampler->num_windows();
  logger().info("{} episodes, {} windows", record_.num_episodes, record_.num_windows);
  for (const std::string& line : data_.describe_shares()) logger().info("draws: {}", line);
  write_record();
}

void Experiment::build_trackers() {
  if (!leads_) return;
  // Remove metrics of a resumed run that are newer than its checkpoint.
  const std::int64_t step = resumed_ ? resumed_->state.step : 0;
  const fs::path metrics = folder_ / "metrics.jsonl";
  if (resumed_) {
    const bool rolled_out = !resumed_->state.rollouts.empty();
    cut_metrics_back(metrics, step, rolled_out);
    cut_events_back(folder_, step, rolled_out);
  }
  // Add the trackers.
  trackers_.add(std::make_unique<MetricsFile>(metrics));
  trackers_.add(std::make_unique<TensorBoardFile>(folder_, step));
  if (swanlab_) {
    trackers_.add(std::make_unique<SwanlabFollower>(
        *swanlab_, folder_, [this] { write_run_record(folder_, record_); }));
  }
}

Scalars Experiment::validate(std::int64_t step) {
  const fs::path folder = folder_ / "validation" / step_name(step);
  const auto metrics = validation_->measure(folder);
  const std::int64_t first = data_.held_out_episodes.front();
  for (const std::string& name : {std::string("pca_episode"), open_loop_image_name(first)}) {
    const fs::path image = folder / (name + ".png");
    if (fs::exists(image)) trackers_.image(step, "validation/" + name, image);
  }
  std::string text;
  for (const auto& [name, value] : metrics) text += fmt::format("  {} {:.4g}", name, value);
  logger().info("step {}: validation{}", step, text);
  return metrics;
}

Scalars Experiment::roll_out(std::int64_t step) {
  // Remove the files of an interrupted attempt, then run the rollouts.
  const fs::path folder = folder_ / "rollouts" / step_name(step);
  fs::remove_all(folder);
  Progress progress("rollouts", train_.rollout_num_episodes);
  progress.update(0, "");
  const RolloutSummary summary =
      run_rollouts(*agent_, *environment_,
                   {.num_episodes = train_.rollout_num_episodes,
                    .first_seed = train_.rollout_seed,
                    .output_folder = folder,
                    .num_videos = train_.rollout_num_videos,
                    .progress = [&](std::int64_t done) { progress.update(done, ""); },
                    .should_stop = [this] { return stop_.requested(); }});
  progress.clear();
  // Report the results.
  const fs::path image = folder / "trajectory_000.png";
  if (fs::exists(image)) trackers_.image(step, "rollout/trajectory_000", image);
  logger().info("step {}: success {:.0f} % of {} episodes, mean highest reward {:.2f}; {}", step,
                100 * summary.success_rate(), summary.episodes.size(),
                summary.mean_highest_reward(), folder.string());
  return {{"success_rate", summary.success_rate()},
          {"mean_highest_reward", summary.mean_highest_reward()},
          {"inference_ms", summary.timings().inference_ms},
          {"loop_total_ms", summary.timings().loop_total_ms}};
}

}  // namespace

int run_experiment(const ConfigNode& root, const RunOptions& options) {
  return Experiment(root, options).run();
}

}  // namespace roboimi
