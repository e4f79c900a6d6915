// A running episode: an actor in its environment. Internal to rollout.
//
//   Episode episode(actor, environment, options, 0);
//   while (!episode.is_over()) episode.act();
//   EpisodeOutcome outcome = episode.finish();
//
// A caller that samples the plans of several episodes as one batch uses advance() and planned()
// instead of act(). An episode is used by one thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "roboimi/contract/actor.h"
#include "roboimi/contract/environment.h"
#include "roboimi/rollout/rollout.h"
#include "roboimi/rollout/rollout_files.h"

namespace roboimi {

// lap_ms() returns the milliseconds since the previous call.
class StopWatch {
 public:
  double lap_ms() {
    const auto now = Clock::now();
    const double elapsed = std::chrono::duration<double, std::milli>(now - last_).count();
    last_ = now;
    return elapsed;
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point last_ = Clock::now();
};

class Episode {
 public:
  // Starts episode `index` of the evaluation. The references must outlive the episode.
  Episode(Actor& actor, Environment& environment, const RolloutOptions& options,
          std::int64_t index);

  // One control step.
  void act();
  // Control steps until the actor wants a plan, which the caller samples (true), or the episode is
  // over (false). Calls `between_steps` before each.
  bool advance(const std::function<void()>& between_steps);
  // The actor has accepted the plan. `batch_ms` is the time in which it was requested and sampled,
  // as one of a batch. An actor cannot tell this time from that of the other episodes, so its own
  // measurement is not used.
  void planned(double batch_ms);
  // Writes the files of the episode.
  EpisodeOutcome finish();

  Actor& actor() { return actor_; }
  bool is_over() const { return is_over_; }

 private:
  Observation look();
  void see();
  void move_by(const std::function<at::Tensor()>& command);
  void add(const StepResult& result);

  Actor& actor_;
  Environment& environment_;
  EpisodeOutcome outcome_;
  EpisodeRecorder recorder_;
  double granted_ms_;  // for a chunk; 0 if the simulator waits
  double seeing_ms_ = 0.0;
  bool waits_for_plan_ = false;
  bool plans_in_batches_ = false;
  bool is_over_ = false;
};

}  // namespace roboimi
