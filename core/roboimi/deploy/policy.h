// A trained policy inside a robot's control process: checked observations in, limited commands out,
// each within a deadline.
//
//   auto policy = load_policy("runs/2026...", {.deadline_ms = 20.0});
//   policy->reset(seed, robot.commanded());       // where each episode begins
//   PolicyStep step = policy->act(observation);   // once a control step
//   robot.command(step.action);
//   PolicyReport so_far = policy->report();       // steps late, held and limited
//
// act() returns by the deadline with what is queued when the next chunk of actions is not ready:
// pictures are then encoded and chunks computed on a thread of the agent's own, from copies of the
// observation. A chunk that arrives late starts at the row of the current step; when nothing that
// is queued reaches so far, the last command is held. The first chunk after reset() is waited for:
// call act() once before the robot moves. Without a deadline act() waits for every chunk.
//
// Commands are held to the training data's actions (action_limits.h), unless turned off. reset()
// takes the command that the robot has at that moment, so that the step to the first one is limited
// too. Where it is not known, reset(seed, Policy::kUnknownCommand) says so: then the first command
// is limited in range alone, and the robot may jump to it.
//
// A state far outside the training data's is reported (state_watch.h), and acted on.
//
// roboimi writes its log to stderr; log_route.h takes it elsewhere.
//
// Every member may be called from any thread; calls are serialised by a mutex, so that report()
// waits for an act() under way. Nothing grows from call to call.
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
  // Searched for plugins before ROBOIMI_PLUGIN_PATH and roboimi's own.
  std::vector<std::filesystem::path> plugin_dirs = {};
  // Opens whatever libraries the run's configuration names, in place of those of the plugin folders
  // and those that the run recorded by SHA-256: they are code, and may be somebody else's.
  bool trust_plugins = false;
  bool use_ema = true;                      // the averaged weights, where there are
  std::vector<std::string> overrides = {};  // {"agent.latency_steps=1"}
  std::string device = "cpu";               // auto, cpu, cuda or cuda:N
  int threads = 1;                          // of libtorch, see Policy::act()
  std::optional<double> deadline_ms = {};   // of act(); none: it waits
  LimitOptions limits = {};
};

// One command, and what happened.
struct PolicyStep {
  at::Tensor action;  // float [A], on the CPU, the caller's own
  std::vector<std::int64_t> limited_by_range, limited_by_step;  // joints, ascending
  std::vector<std::int64_t> state_outside;                      // elements, see StateWatch
  double act_ms = 0.0;                                          // the whole call
  ActTiming timing;

  bool late() const { return timing.late; }  // a chunk was due and had not come: a queued action
  bool held() const { return timing.held; }  // nothing queued reaches so far: the last command
};

// Since the policy was loaded.
struct PolicyReport {
  std::int64_t steps = 0;  // act() calls that gave a command
  std::int64_t late = 0, held = 0;
  std::int64_t missed_deadlines = 0;  // act() took longer; first chunks count too
  std::vector<std::int64_t> limited_by_range, limited_by_step;  // [A], steps in which a joint was
  std::vector<std::int64_t> state_outside;  // [S], steps in which an element was
  double total_act_ms = 0.0, max_act_ms = 0.0;
};

class ROBOIMI_EXPORT Policy {
 public:
  // For load_policy(), and for an agent that was loaded or built otherwise. `where` names it in
  // errors. Error: it does not act, keeps no deadline though one is asked for, limits that
  // ActionLimits refuses, a number of threads or a deadline that is not positive.
  Policy(LoadedRun loaded, const PolicyOptions& options, const std::string& where);
  ~Policy();
  Policy(const Policy&) = delete;
  Policy& operator=(const Policy&) = delete;

  const ObservationSpec& spec() const;
  // The run's resolved configuration, with the overrides.
  const ConfigNode& config() const;

  // Starts an episode: forgets what was seen and queued, and seeds the policy's noise. It waits for
  // a chunk that is being computed. `last_command` float [A] is what the robot is commanded now, in
  // the space of the actions; Error when it is not [A] finite numbers.
  void reset(std::uint64_t seed, const at::Tensor& last_command);
  // The step to the first command is not limited.
  struct UnknownCommand {};
  static constexpr UnknownCommand kUnknownCommand = {};
  void reset(std::uint64_t seed, UnknownCommand);
  // Whether the next act() will look at the pictures; between, they may be left out.
  bool needs_images() const;
  // The next command. The observation's tensors may be changed when it returns. The calling thread
  // is left with `threads` threads of libtorch. Error, after which the policy is usable as before:
  // no reset() came first, an observation that does not fit (state, a camera that is needed, a
  // number that is not finite), a command of the model that is not finite, or whatever the agent
  // throws.
  PolicyStep act(const Observation& observation);
  PolicyReport report() const;

 private:
  void start(std::uint64_t seed, const at::Tensor& last_command);
  at::Tensor command_for(const Observation& observation);
  void count(const PolicyStep& step);

  std::unique_ptr<LoadedRun> loaded_;
  std::unique_ptr<Actor> actor_;  // of the loaded agent
  std::string where_;
  int threads_;
  std::optional<double> deadline_ms_;
  ActionLimits limits_;
  mutable std::mutex mutex_;  // of everything below, and of the actor
  StateWatch watch_;
  bool is_started_ = false;  // reset() came
  at::Tensor last_;          // the command before, or undefined
  PolicyReport report_;
};

// From a run's folder, its checkpoints folder or one of them (find_checkpoint()); the plugins that
// it needs are loaded. Error: no checkpoint, weights that do not fit, an unknown device, and those
// of Policy(): a checkpoint that does not record the range of its actions needs limits that are
// given or turned off.
ROBOIMI_EXPORT std::unique_ptr<Policy> load_policy(const std::filesystem::path& checkpoint,
                                                   const PolicyOptions& options = {});

}  // namespace roboimi
