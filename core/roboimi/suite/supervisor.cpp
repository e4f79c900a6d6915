#include "roboimi/suite/supervisor.h"

#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "roboimi/common/error.h"
#include "roboimi/common/origin.h"
#include "roboimi/suite/gpu_users.h"
#include "roboimi/suite/process_lock.h"
#include "roboimi/suite/records.h"
#include "roboimi/suite/run_outcome.h"
#include "roboimi/suite/run_progress.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPause{200};
constexpr std::chrono::seconds kBetweenReadings{5};

class Supervisor {
 public:
  explicit Supervisor(const WorkFolder& folder)
      : folder_(folder), queue_(folder.read_queue()), rows_(folder.read_state()) {
    tried_.resize(queue_.slots.size(), false);
    adopt();
  }

  // Whether there is still something to wait for.
  bool step() {
    take_requests();
    reap();
    start_due();
    if (Clock::now() - read_ > kBetweenReadings) read_runs();
    if (changed_) save();
    return std::any_of(rows_.begin(), rows_.end(),
                       [](const RunStatus& row) { return row.is_active(); });
  }

 private:
  // A process on a slot.
  struct Active {
    std::string name;
    std::size_t slot = 0;
    bool is_child = true;  // else an earlier supervisor's
    bool asked_to_stop = false;
  };

  RunStatus& row(const std::string& name) { return *find_run(rows_, name); }
  const WorkJob* job(const std::string& name) const;
  void adopt();
  void take_requests();
  void take_start(const std::string& name);
  void take_stop(const std::string& name);
  void reap();
  void conclude(const Active& active, std::optional<int> status);
  void give_up_untried();
  void start_due();
  bool start_trials();
  const WorkJob* next_job(std::size_t slot, const std::vector<std::string>& passed_over) const;
  bool is_free(std::size_t slot);
  void start(const WorkJob& job, std::size_t slot, bool trial);
  void read_runs();
  void save();

  const WorkFolder& folder_;
  WorkQueue queue_;
  std::vector<RunStatus> rows_;
  std::vector<Active> active_;
  std::vector<bool> tried_;   // slots whose trial went well
  std::string failed_trial_;  // while others of its round are under way
  GpuUsers gpu_users_;
  Clock::time_point read_ = {};
  bool changed_ = true;
};

const WorkJob* Supervisor::job(const std::string& name) const {
  const auto found = std::find_if(queue_.jobs.begin(), queue_.jobs.end(),
                                  [&](const WorkJob& job) { return job.name == name; });
  return found == queue_.jobs.end() ? nullptr : &*found;
}

// Takes over what an earlier supervisor left: living processes keep their slots.
void Supervisor::adopt() {
  for (RunStatus& row : rows_) {
    if (row.state != RunState::kSmoke && row.state != RunState::kRunning) continue;
    for (std::size_t slot = 0; slot < queue_.slots.size(); ++slot) {
      if (queue_.slots[slot].name == row.slot) {
        active_.push_back({.name = row.name, .slot = slot, .is_child = false});
      }
    }
  }
}

void Supervisor::take_requests() {
  std::error_code error;
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder_.requests(), error)) {
    // A name with a dot in front is still being written.
    if (!entry.path().filename().string().starts_with(".")) files.push_back(entry.path());
  }
  if (files.empty()) return;
  queue_ = folder_.read_queue();
  tried_.resize(queue_.slots.size(), false);
  for (const WorkJob& job : queue_.jobs) {
    const std::string name = job.name;
    const auto asked = [&](const std::string& what) {
      return std::find(files.begin(), files.end(), folder_.requests() / (what + "-" + name)) !=
             files.end();
    };
    if (asked("start")) take_start(name);
    if (asked("stop")) take_stop(name);
  }
  save();
  for (const fs::path& file : files) fs::remove(file, error);
}

void Supervisor::take_start(const std::string& name) {
  RunStatus* known = find_run(rows_, name);
  if (known == nullptr) {
    rows_.push_back({.name = name, .target = queue_.target});
    known = &rows_.back();
  } else if (known->is_active() || known->state == RunState::kFinished) {
    return;  // nothing is started twice
  }
  known->state = RunState::kQueued;
  known->text.clear();
  known->slot.clear();
  known->max_steps = job(name)->max_steps;
  known->log = folder_.log(name).string();
  known->heard = time_now();
}

void Supervisor::take_stop(const std::string& name) {
  RunStatus* known = find_run(rows_, name);
  if (known == nullptr || !known->is_active()) return;
  if (known->state == RunState::kQueued) {
    known->state = RunState::kStopped;
    known->text = "stopped before it began";
    return;
  }
  for (Active& active : active_) {
    // A second signal would end it without a checkpoint.
    if (active.name != name || active.asked_to_stop) continue;
    active.asked_to_stop = true;
    known->text = "asked to stop: it finishes its step and writes a checkpoint";
    if (is_alive(known->process)) ::kill(static_cast<pid_t>(known->process.pid), SIGINT);
  }
}

void Supervisor::reap() {
  std::vector<Active> left;
  for (const Active& active : active_) {
    const ProcessIdentity process = row(active.name).process;
    int status = 0;
    if (active.is_child) {
      const pid_t ended = ::waitpid(static_cast<pid_t>(process.pid), &status, WNOHANG);
      if (ended == 0) {
        left.push_back(active);
      } else {
        conclude(active, ended > 0 ? std::optional(shell_status(status)) : std::nullopt);
      }
    } else if (is_alive(process)) {
      left.push_back(active);
    } else {
      conclude(active, std::nullopt);
    }
  }
  active_ = left;
}

void Supervisor::conclude(const Active& active, std::optional<int> status) {
  RunStatus& ended = row(active.name);
  changed_ = true;
  ended.heard = time_now();
  if (ended.state == RunState::kSmoke) {
    tried_[active.slot] = judge_trial(folder_, active.asked_to_stop, status, ended);
    if (ended.state == RunState::kFailed) failed_trial_ = ended.name;
    if (!failed_trial_.empty()) give_up_untried();
  } else {
    read_progress(folder_.runs(ended.name), ended);
    judge_training(folder_, status, ended);
  }
  spdlog::info("{} is {}: {}", ended.name, to_string(ended.state), ended.text);
}

// After a failed trial nothing long is started: what has not begun fails too, and so do the trials
// that are still under way.
void Supervisor::give_up_untried() {
  for (RunStatus& waiting : rows_) {
    if (waiting.state != RunState::kQueued || waiting.attempts > 0) continue;
    waiting.state = RunState::kFailed;
    waiting.text = "not started: the trial of " + failed_trial_ + " failed";
  }
  const bool more = std::any_of(rows_.begin(), rows_.end(),
                                [](const RunStatus& row) { return row.state == RunState::kSmoke; });
  if (!more) failed_trial_.clear();
}

void Supervisor::start_due() {
  if (queue_.smoke && start_trials()) return;
  for (std::size_t slot = 0; slot < queue_.slots.size(); ++slot) {
    const WorkJob* next = next_job(slot, {});
    if (next != nullptr && is_free(slot)) start(*next, slot, /*trial=*/false);
  }
}

// Starts the trials that are due; whether any is due or under way, so that long runs must wait.
bool Supervisor::start_trials() {
  bool waits = false;
  std::vector<std::string> taken;
  for (const Active& active : active_) {
    taken.push_back(active.name);
    waits |= row(active.name).state == RunState::kSmoke;
  }
  for (std::size_t slot = 0; slot < queue_.slots.size(); ++slot) {
    if (tried_[slot]) continue;
    const bool is_busy = std::any_of(active_.begin(), active_.end(),
                                     [&](const Active& active) { return active.slot == slot; });
    const WorkJob* next = next_job(slot, taken);
    if (next == nullptr || is_busy || row(next->name).attempts > 0) continue;
    waits = true;
    if (is_free(slot)) start(*next, slot, /*trial=*/true);
    taken.push_back(next->name);
  }
  return waits;
}

// The first queued job that may run on the slot.
const WorkJob* Supervisor::next_job(std::size_t slot,
                                    const std::vector<std::string>& passed_over) const {
  for (const WorkJob& job : queue_.jobs) {
    if (job.gpu && job.gpu != queue_.slots[slot].gpu) continue;
    const bool is_queued = std::any_of(rows_.begin(), rows_.end(), [&](const RunStatus& row) {
      return row.name == job.name && row.state == RunState::kQueued;
    });
    const bool is_passed_over =
        std::find(passed_over.begin(), passed_over.end(), job.name) != passed_over.end();
    if (is_queued && !is_passed_over) return &job;
  }
  return nullptr;
}

// Whether nothing of ours, and on a GPU nothing of anybody's, runs there. Says so where it does.
bool Supervisor::is_free(std::size_t slot) {
  for (const Active& active : active_) {
    if (active.slot == slot) return false;
  }
  const auto gpu = queue_.slots[slot].gpu;
  if (!gpu) return true;
  const std::string users = gpu_users_.of(*gpu);
  const std::string text =
      users.empty() ? "" : "waits: GPU " + std::to_string(*gpu) + " is used by " + users;
  if (const WorkJob* next = next_job(slot, {}); next != nullptr && row(next->name).text != text) {
    row(next->name).text = text;
    changed_ = true;
  }
  return users.empty();
}

void Supervisor::start(const WorkJob& job, std::size_t slot, bool trial) {
  RunStatus& started = row(job.name);
  ProcessStart process{.words = trial ? folder_.smoke_command(queue_, job.name)
                                      : folder_.training_command(queue_, job.name),
                       .directory = queue_.directory,
                       .output = folder_.log(job.name)};
  if (const auto gpu = queue_.slots[slot].gpu) {
    // The numbers that nvidia-smi shows.
    process.environment["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID";
    process.environment["CUDA_VISIBLE_DEVICES"] = std::to_string(*gpu);
  }
  changed_ = true;
  started.slot = queue_.slots[slot].name;
  started.heard = time_now();
  started.text.clear();
  if (!trial) ++started.attempts;
  try {
    started.process = start_process(process);
  } catch (const Error& error) {
    started.state = RunState::kFailed;
    started.text = one_line_message(error);
    return;
  }
  started.state = trial ? RunState::kSmoke : RunState::kRunning;
  active_.push_back({.name = job.name, .slot = slot});
  spdlog::info("{} is {} on {}, process {}", job.name, to_string(started.state), started.slot,
               started.process.pid);
  // Before anything else: whoever comes after this process must find the run.
  save();
}

void Supervisor::read_runs() {
  read_ = Clock::now();
  for (const Active& active : active_) {
    RunStatus& running = row(active.name);
    if (running.state == RunState::kRunning) read_progress(folder_.runs(running.name), running);
    running.heard = time_now();
    changed_ = true;
  }
}

void Supervisor::save() {
  changed_ = false;
  folder_.write_state(rows_);
  if (queue_.suite_folder.empty()) return;
  try {
    update_records(queue_.suite_folder, queue_.target, rows_);
  } catch (const std::exception& error) {
    // The runs are more than what is written about them.
    spdlog::warn("the suite's records were not updated: {}", one_line_message(error));
  }
}

}  // namespace

void supervise(const WorkFolder& folder) {
  // Who looks at the state holds the lock for a moment.
  std::optional<ProcessLock> lock;
  for (int attempt = 0; attempt < 20 && !lock; ++attempt) {
    if (attempt > 0) std::this_thread::sleep_for(std::chrono::milliseconds(25));
    if (auto taken = ProcessLock::try_take(folder.lock_file())) lock.emplace(std::move(*taken));
  }
  if (!lock) return;
  Supervisor supervisor(folder);
  while (supervisor.step()) std::this_thread::sleep_for(kPause);
}

}  // namespace roboimi
