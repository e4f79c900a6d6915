// An actor: the state of one episode of a policy. It turns observations into commands.
//
//   std::unique_ptr<Actor> actor = agent.make_actor({});
//   actor->reset(seed);
//   at::Tensor command = actor->act(observation);   // once per control step
//
// The agent holds the trained weights. An actor holds the state of an episode: the queue of
// observations, the planned actions, the seed of the noise, the deadline and the thread that
// enforces it. Many actors may share one agent, each on its own thread, as long as nothing changes
// the agent's weights or mode. The agent must outlive its actors.
//
// act() performs a whole control step. A caller with several actors can split the step instead and
// sample all chunks of actions in one batch, with one PlanRequest per actor:
//
//   actor->observe(observation);
//   if (actor->wants_plan()) {
//     at::Tensor chunks = agent.sample_plans({actor->plan_request()});   // [1, H, A]
//     actor->accept(chunks[0]);
//   }
//   at::Tensor command = actor->command();
//
// If the robot is sent a different command because a limit changed it, the caller passes that
// command to replace_command().
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <chrono>
#include <cstdint>
#include <optional>

#include "roboimi/common/export.h"
#include "roboimi/contract/condition.h"
#include "roboimi/contract/observation.h"

namespace roboimi {

struct ActorOptions {
  // act() returns within this time, however long the models take, and last_timing() reports whether
  // a chunk was late. Exception: act() always waits for the first chunk after reset(), because
  // there is no earlier action to return. Unset: act() waits for every chunk.
  std::optional<std::chrono::nanoseconds> deadline = {};
};

// The inputs for sampling one chunk of actions: one row of a batch.
struct PlanRequest {
  Condition condition;  // one row: steps [T, C], tokens [N, D], token_mask [N]
  at::Generator noise;  // depends only on the actor's seed and the index of the plan
  // [P, A], normalized, with A of the head, see Head::sample(); undefined: nothing is committed
  at::Tensor prefix;
};

struct ActTiming {
  // Encoding images and moving the state to the device. Excludes encoding on another thread.
  double preprocess_ms = 0.0;
  // Waiting for the head; 0 when the action came from the queue. If the caller samples the plan
  // itself, this and plan_ms include everything that the caller does between its calls.
  double inference_ms = 0.0;
  // For a chunk that arrived in this step: time from its last observation to its arrival, including
  // encoding. 0: no chunk arrived.
  double plan_ms = 0.0;
  bool late = false;  // a chunk was due but is not ready: the command is from an earlier chunk
  bool held = false;  // no queued action is left for this step: the last command is repeated
};

class ROBOIMI_EXPORT Actor {
 public:
  virtual ~Actor();

  // Starts an episode: clears the queues and seeds the noise. The noise of a plan depends only on
  // (seed, index of the plan).
  virtual void reset(std::uint64_t seed) = 0;
  // Whether the next step uses the images of its observation, so that they must be rendered.
  virtual bool needs_images() const = 0;
  // Control steps from an observation to the first action of the chunk computed from it, if chunks
  // are computed while the previous one is executed. 0: act() waits for the chunk.
  virtual std::int64_t latency_steps() const { return 0; }
  // The next command, float [A] on the CPU, in the data's units. Throws Error if the agent has no
  // statistics or the observation does not match its spec, and lets the model's exceptions pass
  // through. The actor remains usable afterwards.
  virtual at::Tensor act(const Observation& observation) = 0;
  // The timing of the last step.
  virtual ActTiming last_timing() const { return {}; }
  // Replaces the command that this step returned by the one that the robot was sent, float [A] on
  // the CPU, in the data's units, so that later plans continue from it. Call it after act() or
  // command(), only if the two differ. The default does nothing.
  virtual void replace_command(const at::Tensor& sent);

  // The parts of a step: observe(), then plan_request() and accept() if wants_plan(), then
  // command(). The defaults suit an actor that plans inside act(): it wants no plan, and command()
  // calls act() with the observation passed to observe().
  virtual void observe(const Observation& observation);
  // Whether this step needs a chunk, which the caller samples.
  virtual bool wants_plan() const { return false; }
  // The condition and noise for that chunk. Call it once per chunk: wants_plan() is false until
  // the next one is due.
  virtual PlanRequest plan_request();
  // Takes the chunk, float [H, A], normalized: one row of what Head::sample() returns.
  virtual void accept(const at::Tensor& chunk);
  // The command of this step; see act().
  virtual at::Tensor command();

 private:
  Observation observed_;
};

}  // namespace roboimi
