// An agent: what is trained, saved and loaded. It joins a backbone and a head, owns the normalizers
// and computes the loss. Its actors act (actor.h).
#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/actor.h"
#include "roboimi/contract/head.h"
#include "roboimi/contract/normalizer.h"
#include "roboimi/contract/observation.h"

namespace roboimi {

class Backbone;
class Communicator;

// Which row an action chunk starts at, relative to the observations:
//   kFirstObservation    observations w .. w+To-1, actions w .. w+H-1; executes To-1 .. To+Ta-2
//                        (Diffusion Policy)
//   kPresentObservation  observation t, actions t .. t+H-1; executes from index 0 (ACT)
enum class Alignment { kFirstObservation, kPresentObservation };

struct Horizons {
  std::int64_t obs = 0;         // To
  std::int64_t pred = 0;        // H
  std::int64_t num_action = 0;  // Ta
  Alignment alignment = Alignment::kFirstObservation;
  std::int64_t obs_stride = 1;  // rows from one observation to the next
  bool whole_windows = false;   // train on windows inside their episode alone: nothing is padded
  // Index in a chunk of the first action executed.
  std::int64_t first_action() const {
    return alignment == Alignment::kFirstObservation ? last_observation() : 0;
  }
  // Rows from the first observation to the present.
  std::int64_t last_observation() const { return (obs - 1) * obs_stride; }
};

// Normalization statistics of the training episodes, stored in the agent.
struct DatasetStatistics {
  Statistics state;                                // [S]
  Statistics action;                               // [A]
  std::optional<Statistics> env_state = {};        // [E]
  std::optional<Statistics> features = {};         // [V], of a frozen backbone
  std::map<std::string, Statistics> vectors = {};  // of the other vector streams, by name
};

class ROBOIMI_EXPORT Agent : public torch::nn::Module {
 public:
  ~Agent() override;

  virtual const ObservationSpec& spec() const = 0;
  virtual const Horizons& horizons() const = 0;
  // The visual encoder, or nullptr when the agent has none.
  virtual Backbone* backbone() const = 0;
  // The streams that an actor's observation must have, images where it needs_images(). The default:
  // the state, and what the backbone reads.
  virtual std::vector<std::string> stream_names() const;

  // Statistics come first: loss() and acting without them are an Error. They are kept in buffers
  // and so travel in the checkpoint.
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

  // A new actor of this agent, in evaluation mode and without gradients. nullptr: the agent does
  // not act, it is trained for its representation (the default). Error: the agent keeps no
  // deadline.
  virtual std::unique_ptr<Actor> make_actor(const ActorOptions& options);
  // The chunks of several actors as one batch: normalized actions float [requests.size(), H, A]. An
  // actor's chunk is that of a batch of one to 1e-5 in fp32. The default: Error.
  virtual at::Tensor sample_plans(const std::vector<PlanRequest>& requests);
};

// make_actor(), or an Error for an agent that does not act. `where` names the agent's checkpoint.
ROBOIMI_EXPORT std::unique_ptr<Actor> require_actor(Agent& agent, const ActorOptions& options,
                                                    const std::string& where);
// For agents whose actors compute inside act(): Error where `options` asks for a deadline.
ROBOIMI_EXPORT void refuse_deadline(const ActorOptions& options, const std::string& agent);

}  // namespace roboimi
