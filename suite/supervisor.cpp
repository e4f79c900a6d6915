#include "suite/supervisor.h"

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>

#include "roboimi/common/error.h"
#include "roboimi/common/log.h"
#include "roboimi/common/origin.h"
#include "roboimi/common/process_lock.h"
#include "suite/gpu_users.h"
#include "suite/run_outcome.h"
#include "suite/run_progress.h"
#include "suite/work_rows.h"

namespace roboimi {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPause{200};
constexpr std::chrono::seconds kBetweenReadings{5};

class Supervisor {
 public:
  explicit Supervisor(const WorkFolder& folder) : folder_(folder), rows_(folder) { adopt(); }

  // Returns whether there is more to wait for.
  bool step() {
    rows_.take_requests(interrupt);
    rows_.save();
    reap();
    start_due();
    if (Clock::now() - read_ > kBetweenReadings) read_runs();
    rows_.save();
    return rows_.has_work();
  }

 private:
  // A process on a slot. Slots are identified by name, because a launch may change their order.
  struct Active {
    std::string name, slot;
    bool is_child = true;  // false: started by an earlier supervisor
  };

  static void interrupt(RunStatus& row) {
    if (is_alive(row.process)) ::kill(static_cast<pid_t>(row.process.pid), SIGINT);
  }

  void adopt();
  void reap();
  void conclude(const Active& active, std::optional<int> status);
  void conclude_trial(const Active& active, std::optional<int> status, RunStatus& ended);
  void start_due();
  bool start_trials();
  bool is_busy(const WorkSlot& slot) const;
  bool is_free(const WorkSlot& slot, const WorkJob& next);
  void start(const WorkJob& job, const WorkSlot& slot, bool trial);
  void read_runs();

  const WorkFolder& folder_;
  WorkRows rows_;
  std::vector<Active> active_;
  std::set<std::string> tried_;  // slots with a successful trial
  std::string failed_trial_;     // while other trials are running
  GpuUsers gpu_users_;
  Clock::time_point read_ = {};
};

// Takes over the processes of an earlier supervisor. They keep their slots.
void Supervisor::adopt() {
  for (const RunStatus& row : rows_.all()) {
    if (row.state != RunState::kSmoke && row.state != RunState::kRunning) continue;
    active_.push_back({.name = row.name, .slot = row.slot, .is_child = false});
  }
}

void Supervisor::reap() {
  std::vector<Active> left;
  for (const Active& active : active_) {
    const ProcessIdentity process = rows_.row(active.name).process;
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
  RunStatus& ended = rows_.row(active.name);
  rows_.touch();
  ended.last_update = time_now();
  if (ended.state == RunState::kSmoke) {
    conclude_trial(active, status, ended);
  } else {
    read_progress(folder_.runs(ended.name), ended);
    judge_training(folder_, status, ended);
  }
  logger().info("{} is {}: {}", ended.name, to_string(ended.state), ended.text);
}

void Supervisor::conclude_trial(const Active& active, std::optional<int> status, RunStatus& ended) {
  if (judge_trial(folder_, ended.asked_to_stop, status, ended)) tried_.insert(active.slot);
  if (ended.state == RunState::kFailed) failed_trial_ = ended.name;
  if (failed_trial_.empty()) return;
  rows_.give_up_untried(failed_trial_);
  const auto& all = rows_.all();
  const bool more = std::any_of(all.begin(), all.end(),
                                [](const RunStatus& row) { return row.state == RunState::kSmoke; });
  if (!more) failed_trial_.clear();
}

void Supervisor::start_due() {
  if (start_trials()) return;
  for (const WorkSlot& slot : rows_.queue().slots) {
    const WorkJob* next = rows_.next_job(slot, {});
    if (next == nullptr || is_busy(slot)) continue;
    const bool trial_is_due = rows_.is_untried(*next) && !tried_.contains(slot.name);
    if (!trial_is_due && is_free(slot, *next)) start(*next, slot, /*trial=*/false);
  }
}

// Starts the trials that are due. Returns whether any is running, so that training runs must wait.
// A slot whose GPU is in use is tried later; the others do not wait for it.
bool Supervisor::start_trials() {
  bool waits = false;
  std::vector<std::string> taken;
  for (const Active& active : active_) {
    taken.push_back(active.name);
    waits |= rows_.row(active.name).state == RunState::kSmoke;
  }
  for (const WorkSlot& slot : rows_.queue().slots) {
    const WorkJob* next = rows_.next_job(slot, taken);
    if (next == nullptr || tried_.contains(slot.name) || is_busy(slot)) continue;
    if (!rows_.is_untried(*next) || !is_free(slot, *next)) continue;
    waits = true;
    start(*next, slot, /*trial=*/true);
    taken.push_back(next->name);
  }
  return waits;
}

bool Supervisor::is_busy(const WorkSlot& slot) const {
  return std::any_of(active_.begin(), active_.end(),
                     [&](const Active& active) { return active.slot == slot.name; });
}

// Whether no other process computes on the slot's GPU. If one does, sets the text of `next`.
bool Supervisor::is_free(const WorkSlot& slot, const WorkJob& next) {
  if (!slot.gpu) return true;
  const std::string users = gpu_users_.of(*slot.gpu);
  if (users.empty()) return true;
  rows_.set_text(next.name, "waits: GPU " + std::to_string(*slot.gpu) + " is used by " + users);
  return false;
}

void Supervisor::start(const WorkJob& job, const WorkSlot& slot, bool trial) {
  RunStatus& started = rows_.row(job.name);
  // The run holds this lock until it ends. If a supervisor was killed between starting a run and
  // recording it, only the lock shows that the run exists.
  const auto lock = ProcessLock::try_take(folder_.run_lock(job.name));
  if (!lock) {
    rows_.set_text(
        job.name,
        "waits: an earlier process of this run, which was not recorded, is still running");
    return;
  }
  ProcessStart process{.words = trial ? folder_.smoke_command(rows_.queue(), job.name)
                                      : folder_.training_command(rows_.queue(), job.name),
                       .directory = rows_.queue().directory,
                       .output = folder_.log(job.name),
                       .inherited = lock->descriptor()};
  if (slot.gpu) {
    // Number GPUs as nvidia-smi does.
    process.environment["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID";
    process.environment["CUDA_VISIBLE_DEVICES"] = std::to_string(*slot.gpu);
  }
  rows_.touch();
  started.slot = slot.name;
  started.last_update = time_now();
  started.text.clear();
  if (!trial) ++started.attempts;
  try {
    started.process = start_process(process);
  } catch (const Error& error) {
    started.state = RunState::kFailed;
    started.text = one_line_message(error);
    if (trial) rows_.give_up_untried(job.name);
    return;
  }
  started.state = trial ? RunState::kSmoke : RunState::kRunning;
  active_.push_back({.name = job.name, .slot = slot.name});
  logger().info("{} is {} on {}, process {}", job.name, to_string(started.state), started.slot,
                started.process.pid);
  // Record the run immediately, so that a later supervisor finds it.
  rows_.save();
}

void Supervisor::read_runs() {
  read_ = Clock::now();
  for (const Active& active : active_) {
    RunStatus& running = rows_.row(active.name);
    if (running.state == RunState::kRunning) read_progress(folder_.runs(running.name), running);
    running.last_update = time_now();
    rows_.touch();
  }
}

}  // namespace

void supervise(const WorkFolder& folder) {
  // A process that observes the state holds the lock for a moment.
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
