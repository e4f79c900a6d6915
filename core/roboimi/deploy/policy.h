// A trained policy for use in a robot's control process. It checks observations, limits commands to
// the range of the training data and can return each command by a deadline.
//
//   std::unique_ptr<Policy> policy = load_policy("runs/2026...", {.deadline_ms = 20.0});
//   policy->reset(seed, last_command);            // at the start of each episode
//   PolicyStep step = policy->act(observation);   // once per control step
//   send_to_robot(step.action);
//   PolicyReport report = policy->report();       // counts of late, held and limited steps
//
// Deadline: if deadline_ms is set, act() returns within that time. Images are then encoded and
// chunks of actions computed on a separate thread, from copies of the observation. If the next
// chunk is not ready, act() returns the next queued action. A chunk that arrives late is used
// starting at the row for the current step. If no queued action is left, act() repeats the last
// command. The first chunk after reset() is an exception: act() waits for it, so call act() once
// before the robot moves. Without a deadline act() waits for every chunk.
//
// Limits: commands are limited to the range and step size of the actions in the training data
// (action_limits.h), unless this is turned off. reset() takes the robot's current command, so that
// the step to the first command is limited too. If it is not known, call reset(seed,
// Policy::kUnknownCommand): then only the range of the first command is limited, and the robot may
// jump to it.
//
// A state far outside the training data is reported (state_watch.h); act() still returns a command.
//
// roboimi logs to stderr; log_route.h redirects the log.
//
// Thread safety: every member may be called from any thread. A mutex serializes the calls, so
// report() waits for a running act(). Memory use does not grow from call to call.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/actor.h"
#include "roboimi/deploy/action_limits.h"
#include "roboimi/deploy/state_watch.h"

namespace roboimi {

class ConfigNode;
struct LoadedRun;  // checkpoint/loaded_run.h

struct PolicyOptions {
  // Searched for plugins before ROBOIMI_PLUGIN_PATH and roboimi's own folders.
  std::vector<std::filesystem::path> plugin_dirs = {};
  // Loads any plugin library that the run's configuration names. By default only libraries in the
  // plugin folders and those whose SHA-256 the run recorded are loaded, because a library is code
  // and a run may come from somebody else.
  bool trust_plugins = false;
  bool use_ema = true;                      // use the averaged (EMA) weights, if there are any
  std::vector<std::string> overrides = {};  // config overrides, {"agent.latency_steps=1"}
  std::string device = "cpu";               // auto, cpu, cuda or cuda:N
  int threads = 1;                          // number of libtorch threads, see Policy::act()
  std::optional<double> deadline_ms = {};   // deadline of act(); unset: act() waits for each chunk
  LimitOptions limits = {};
};

// One command, and details about it.
struct PolicyStep {
  at::Tensor action;  // float [A], on the CPU; the caller may modify it
  std::vector<std::int64_t> limited_by_range, limited_by_step;  // indices of joints, ascending
  std::vector<std::int64_t> state_outside;  // indices of state elements, see StateWatch
  double act_ms = 0.0;                      // duration of the whole call
  ActTiming timing;

  bool late() const { return timing.late; }  // a chunk was due but not ready
  bool held() const { return timing.held; }  // no queued action was left: the last command again
};

// Totals since the policy was loaded.
struct PolicyReport {
  std::int64_t steps = 0;  // act() calls that returned a command
  std::int64_t late = 0, held = 0;
  std::int64_t missed_deadlines = 0;  // act() calls over the deadline, first chunks included
  std::vector<std::int64_t> limited_by_range, limited_by_step;  // [A], limited steps of each joint
  std::vector<std::int64_t> state_outside;  // [S], steps in which each element was outside
  double total_act_ms = 0.0, max_act_ms = 0.0;
};

class ROBOIMI_EXPORT Policy {
 public:
  // For load_policy(), and for agents that were loaded or built in another way. `where` names the
  // agent in error messages. Throws Error if the agent does not act, if it does not support
  // deadlines and `options` has one, if ActionLimits rejects the limits, or if the number of
  // threads or the deadline is not positive.
  Policy(LoadedRun loaded, const PolicyOptions& options, const std::string& where);
  ~Policy();
  Policy(const Policy&) = delete;
  Policy& operator=(const Policy&) = delete;

  const ObservationSpec& spec() const;
  // The run's resolved configuration, including the overrides.
  const ConfigNode& config() const;

  // Starts an episode: clears the queued observations and actions and seeds the policy's noise.
  // Waits for a chunk that is being computed. `last_command` float [A] is the robot's current
  // command, in the space of the actions. Throws Error unless it has A finite values.
  void reset(std::uint64_t seed, const at::Tensor& last_command);
  // For an unknown current command: the step to the first command is not limited.
  struct UnknownCommand {};
  static constexpr UnknownCommand kUnknownCommand = {};
  void reset(std::uint64_t seed, UnknownCommand);
  // Whether the next act() uses the images. If not, the observation may omit them.
  bool needs_images() const;
  // The next command. The caller may modify the observation's tensors afterwards. Sets the calling
  // thread's number of libtorch threads to PolicyOptions::threads. Throws Error if reset() was not
  // called, if the observation does not match spec() (wrong state size, missing camera, value that
  // is not finite), if the model's command is not finite, or if the agent throws. The policy
  // remains usable after an Error.
  PolicyStep act(const Observation& observation);
  PolicyReport report() const;

 private:
  void start(std::uint64_t seed, const at::Tensor& last_command);
  at::Tensor command_for(const Observation& observation);
  void count(const PolicyStep& step);

  std::unique_ptr<LoadedRun> loaded_;
  std::unique_ptr<Actor> actor_;  // from the loaded agent
  std::string where_;
  int threads_;
  std::optional<double> deadline_ms_;
  ActionLimits limits_;
  mutable std::mutex mutex_;  // guards everything below, and the actor
  StateWatch watch_;
  bool is_started_ = false;  // whether reset() was called
  at::Tensor last_;          // the previous command, or undefined
  PolicyReport report_;
};

// Loads a policy, including the plugins that it needs. `checkpoint` is a run's folder, its
// checkpoints folder or a single checkpoint (find_checkpoint()). Throws Error if there is no
// checkpoint, if the weights do not match the agent or the device is unknown, and where Policy()
// does. For an old checkpoint that does not record the range of its actions, set the limits in
// `options` or turn them off.
ROBOIMI_EXPORT std::unique_ptr<Policy> load_policy(const std::filesystem::path& checkpoint,
                                                   const PolicyOptions& options = {});

}  // namespace roboimi
