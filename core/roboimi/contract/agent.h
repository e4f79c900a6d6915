// An agent joins a backbone and a head: it owns the normaliser, the observation queue and the
// action queue, and is what the trainer trains and the rollout runs.
#pragma once

#include <torch/nn/module.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/head.h"
#include "roboimi/contract/normalizer.h"
#include "roboimi/contract/observation.h"

namespace roboimi {

class Backbone;
class Communicator;

// Which row an action chunk starts at, relative to the observations:
//   kDiffusion  observations w .. w+To-1, actions w .. w+H-1; executes indices To-1 .. To+Ta-2
//   kAct        observation t, actions t .. t+H-1; executes from index 0
enum class Alignment { kDiffusion, kAct };

struct Horizons {
  std::int64_t obs = 0;         // To
  std::int64_t pred = 0;        // H
  std::int64_t num_action = 0;  // Ta
  Alignment alignment = Alignment::kDiffusion;
  std::int64_t obs_stride = 1;  // rows from one observation to the next
  bool whole_windows = false;   // train on windows inside their episode alone: nothing is padded
  // Index in a chunk of the first action executed.
  std::int64_t first_action() const {
    return alignment == Alignment::kDiffusion ? last_observation() : 0;
  }
  // Rows from the first observation to the present.
  std::int64_t last_observation() const { return (obs - 1) * obs_stride; }
};

// What the data says of itself, for the agent to keep. Training episodes only.
struct DatasetStatistics {
  Statistics state;                     // [S]
  Statistics action;                    // [A]
  std::optional<Statistics> env_state;  // [E]
  std::optional<Statistics> features;   // [V], of a frozen backbone
};

class ROBOIMI_EXPORT Agent : public torch::nn::Module {
 public:
  ~Agent() override;

  virtual const ObservationSpec& spec() const = 0;
  virtual const Horizons& horizons() const = 0;
  // The visual encoder, or nullptr when the agent has none.
  virtual Backbone* backbone() const = 0;

  // Training. Statistics first: loss() and act() without them are an Error. They are kept in
  // buffers and so travel in the checkpoint.
  virtual void set_statistics(const DatasetStatistics& statistics) = 0;
  virtual bool has_statistics() const = 0;
  virtual LossReport loss(const Batch& batch, at::Generator& generator) = 0;
  // Every batch is one of `communicator.size()` equal parts, and the trainer averages gradients. An
  // agent whose loss is no mean over samples sees to it that it is that of the whole batch. Called
  // before training when there are other processes, and with a communicator of one process around
  // what this one measures by itself; `communicator` outlives its use.
  virtual void share_batches(Communicator& communicator);
  // Parameters by registered name that weight decay must not touch return false.
  virtual bool decays(const std::string& name, const at::Tensor& parameter) const;

  // What a linear probe examines: visual features [N, V] of one time step each, as the sampler
  // gives them, to a representation float [N, D]. Evaluation mode, no gradient. The default: as
  // they are.
  virtual at::Tensor represent(const at::Tensor& features);
  // Kept in the header of every checkpoint's model.safetensors, for those who load the weights.
  virtual std::map<std::string, std::string> metadata() const { return {}; }

  // Acting, one environment at a time. An agent that is trained for its representation alone
  // returns false, and leaves out the rest: the defaults are an Error.
  virtual bool acts() const { return true; }
  // reset() empties both queues and seeds the policy's noise, which is a function of (seed, replan)
  // alone.
  virtual void reset(std::uint64_t seed);
  // Whether the next act() will look at the images of its observation: those frames must be
  // rendered.
  virtual bool needs_images() const;
  // Control steps from an observation to the first action of the chunk made for it, when the policy
  // computes chunks while it plays; 0: the world waits for it.
  virtual std::int64_t latency_steps() const { return 0; }
  // From now on act() returns within this time of its call, whatever the models take, with what
  // last_timing() then says of it; only the first chunk after reset() is waited for, since nothing
  // can be commanded before it. None: act() waits for every chunk. The default: Error for any
  // deadline, since an agent that computes inside act() cannot keep one.
  virtual void set_deadline(std::optional<std::chrono::nanoseconds> deadline);
  // Returns when no thread of the agent's own computes any more: only then may its weights or its
  // mode change. The default: at once.
  virtual void wait_until_idle() {}
  // The next command, float [A], un-normalised. Times of the last call are in last_timing().
  virtual at::Tensor act(const Observation& observation);

  struct Timing {
    // Images to visual features, state to the device; what is encoded beside act() does not count.
    double preprocess_ms = 0.0;
    double inference_ms = 0.0;  // waiting for the head; 0 when the action came from the queue
    // From the last observation of the chunk that came in this call until it was there, its
    // features included; 0: none came.
    double plan_ms = 0.0;
    bool late = false;  // a chunk was due and has not come: the command is of those before it
    bool held = false;  // nor do those reach so far: the last command again
  };
  virtual Timing last_timing() const;
};

}  // namespace roboimi
