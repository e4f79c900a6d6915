// An agent: the model that is trained, saved and loaded. It combines a backbone and a head, owns
// the normalizers and computes the loss. Its actors (actor.h) turn observations into commands.
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

// The row at which an action chunk starts, relative to the observations. For obs_stride 1, with To
// observations, H actions in a chunk, of which Ta are executed:
//   kFirstObservation    observations w .. w+To-1, actions w .. w+H-1; executes indices To-1 ..
//                        To+Ta-2 of the chunk (Diffusion Policy)
//   kPresentObservation  observation t, actions t .. t+H-1; executes from index 0 (ACT)
enum class Alignment { kFirstObservation, kPresentObservation };

struct Horizons {
  std::int64_t obs = 0;         // To, observations per window
  std::int64_t pred = 0;        // H, actions per chunk
  std::int64_t num_action = 0;  // Ta, actions executed per chunk
  Alignment alignment = Alignment::kFirstObservation;
  std::int64_t obs_stride = 1;  // rows from one observation to the next
  bool whole_windows = false;   // train only on windows that lie within an episode: no padding
  // Index of the first executed action in a chunk.
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
  std::optional<Statistics> features = {};         // [V], features of a frozen backbone
  std::map<std::string, Statistics> vectors = {};  // the other vector streams, by name
  // [A], of the actions of all windows minus the state of their last observation, if the agent
  // uses_relative_actions() and the state has the size of the actions.
  std::optional<Statistics> relative_action = {};
  // The distinct strings of each text stream, sorted, from all episodes including those held out.
  std::map<std::string, std::vector<std::string>> texts = {};
};

class ROBOIMI_EXPORT Agent : public torch::nn::Module {
 public:
  ~Agent() override;

  virtual const ObservationSpec& spec() const = 0;
  virtual const Horizons& horizons() const = 0;
  // The visual encoder, or nullptr if the agent has none.
  virtual Backbone* backbone() const = 0;
  // The streams that an actor's observation must contain; images only while it needs_images(). The
  // default: the state and the streams that the backbone reads.
  virtual std::vector<std::string> stream_names() const;

  // Whether set_statistics() needs DatasetStatistics::relative_action. Computing it takes a pass
  // over the actions of all windows.
  virtual bool uses_relative_actions() const { return false; }
  // Sets the normalization statistics. loss() and acting throw Error without them. They are stored
  // in buffers, and therefore in the checkpoint.
  virtual void set_statistics(const DatasetStatistics& statistics) = 0;
  virtual bool has_statistics() const = 0;
  // The training loss of a batch. `generator` is the source of all random numbers.
  virtual LossReport loss(const Batch& batch, at::Generator& generator) = 0;
  // Prepares for data-parallel training: each process computes one of `communicator.size()` equal
  // parts of every batch, and the trainer averages the gradients. An agent whose loss is not a mean
  // over samples must use `communicator` so that its loss is that of the whole batch. Called before
  // training if there is more than one process, and with a communicator of one process before this
  // process computes something alone. `communicator` stays valid while it is in use.
  virtual void share_batches(Communicator& communicator);
  // Whether weight decay applies to a parameter, given its registered name.
  virtual bool decays(const std::string& name, const at::Tensor& parameter) const;

  // The representation that a linear probe examines: visual features [N, V], one time step per row,
  // as the sampler provides them, to float [N, D]. Called in evaluation mode without gradients. The
  // default: the features, unchanged.
  virtual at::Tensor represent(const at::Tensor& features);
  // Stored in the header of every checkpoint's model.safetensors, for programs that load the
  // weights.
  virtual std::map<std::string, std::string> metadata() const { return {}; }

  // A new actor of this agent, which acts in evaluation mode and without gradients. nullptr (the
  // default): the agent does not act; it is trained for its representation. Throws Error if
  // `options` has a deadline and the agent does not support deadlines.
  virtual std::unique_ptr<Actor> make_actor(const ActorOptions& options);
  // Actor::plan_request() of each of `actors`, which are this agent's and all want a plan. An agent
  // may encode their observations in batches, which changes features by rounding. The default calls
  // plan_request() on one actor after another.
  virtual std::vector<PlanRequest> request_plans(const std::vector<Actor*>& actors);
  // The chunks of several actors, sampled as one batch: normalized actions float [requests.size(),
  // H, A], with A of the head, which may differ from that of commands. Each chunk equals the one
  // from a batch of size one to within 1e-5 in fp32. The default throws Error.
  virtual at::Tensor sample_plans(const std::vector<PlanRequest>& requests);

  // Throws Error if rows of the training data cannot be used, such as a quaternion of length 0.
  // Called once for the actions ("action") and each vector stream of every episode, float [L, D] on
  // the CPU. Not for values that are not finite, which are always an Error. The default accepts
  // all.
  virtual void check_rows(const std::string& /*stream*/, const at::Tensor& /*rows*/) const {}
};

// make_actor(); throws Error if the agent does not act. `where` names the agent's checkpoint.
ROBOIMI_EXPORT std::unique_ptr<Actor> require_actor(Agent& agent, const ActorOptions& options,
                                                    const std::string& where);
// For agents whose actors compute inside act(): throws Error if `options` has a deadline.
ROBOIMI_EXPORT void refuse_deadline(const ActorOptions& options, const std::string& agent);

}  // namespace roboimi
