// An actor: one episode of a policy, from observations to commands.
//
//   std::unique_ptr<Actor> actor = agent.make_actor({});
//   actor->reset(seed);
//   at::Tensor command = actor->act(observation);   // once a control step
//
// The agent holds what is trained; an actor holds what an episode needs: the queue of observations,
// the planned actions, the seed of the noise, the deadline and the thread that keeps it. Many
// actors may act on one agent, each from a thread of its own, while nothing changes the agent's
// weights or mode. The agent outlives its actors.
//
// act() does a control step as a whole. Its parts let the plans of several actors be one batch:
//
//   for (auto& actor : actors) actor->observe(...);
//   std::vector<PlanRequest> requests;              // of the actors whose wants_plan() is true
//   at::Tensor chunks = agent.sample_plans(requests);
//   ... actor->accept(chunks[i]) ...
//   for (auto& actor : actors) ... actor->command() ...
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
  // act() returns within this time of its call, whatever the models take, and last_timing() says
  // what was late. The first chunk after reset() is waited for, since nothing can be commanded
  // before it. None: act() waits for every chunk.
  std::optional<std::chrono::nanoseconds> deadline = {};
};

// What a chunk of actions is sampled from: one row of a batch.
struct PlanRequest {
  Condition condition;  // of one row: steps [T, C], tokens [N, D], token_mask [N]
  at::Generator noise;  // its numbers depend on the actor's seed and the plan's number alone
  at::Tensor prefix;    // [P, A], normalized: see Head::sample(); undefined where none is committed
};

struct ActTiming {
  // Images to visual features, state to the device; what is encoded beside act() does not count.
  double preprocess_ms = 0.0;
  double inference_ms = 0.0;  // waiting for the head; 0 when the action came from the queue
  // From the last observation of the chunk that came in this step until it was there, its features
  // included; 0: none came.
  double plan_ms = 0.0;
  bool late = false;  // a chunk was due and has not come: the command is of those before it
  bool held = false;  // nothing that is queued reaches so far: the last command again
};

class ROBOIMI_EXPORT Actor {
 public:
  virtual ~Actor();

  // Starts an episode: empties the queues and seeds the noise, which is a function of (seed, number
  // of the plan) alone.
  virtual void reset(std::uint64_t seed) = 0;
  // Whether the next step looks at the images of its observation: those frames must be rendered.
  virtual bool needs_images() const = 0;
  // Control steps from an observation to the first action of the chunk made for it, when chunks are
  // computed while the last one plays; 0: the world waits.
  virtual std::int64_t latency_steps() const { return 0; }
  // The next command, float [A] on the CPU, in the data's units. Error, after which the actor is
  // usable as before: no statistics, an observation that does not fit, whatever the model throws.
  virtual at::Tensor act(const Observation& observation) = 0;
  // Of the last step.
  virtual ActTiming last_timing() const { return {}; }

  // The parts of a step. The defaults are for an actor that plans inside act(): command() acts on
  // what observe() was given, and no plan is wanted.
  virtual void observe(const Observation& observation);
  // Whether the step needs a chunk that somebody else samples.
  virtual bool wants_plan() const { return false; }
  // That chunk's condition and noise. Once for each chunk; wants_plan() is false until the next.
  virtual PlanRequest plan_request();
  // The chunk, float [H, A] normalized, as Head::sample() gives a row of its batch.
  virtual void accept(const at::Tensor& chunk);
  // The command of the step; see act().
  virtual at::Tensor command();

 private:
  Observation observed_;
};

}  // namespace roboimi
