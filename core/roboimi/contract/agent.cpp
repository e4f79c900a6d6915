#include "roboimi/contract/agent.h"

#include <algorithm>
#include <utility>

#include "roboimi/common/error.h"
#include "roboimi/contract/backbone.h"

namespace roboimi {

Agent::~Agent() = default;

bool Agent::decays(const std::string&, const at::Tensor& parameter) const {
  return parameter.dim() >= 2;
}

std::vector<std::string> Agent::stream_names() const {
  std::vector<std::string> names;
  if (spec().find(kState) != nullptr) names.push_back(kState);
  if (const Backbone* encoder = backbone()) {
    for (std::string& name : encoder->stream_names()) {
      if (std::ranges::find(names, name) == names.end()) names.push_back(std::move(name));
    }
  }
  return names;
}

at::Tensor Agent::represent(const at::Tensor& features) { return features.to(at::kFloat); }

void Agent::share_batches(Communicator&) {}

std::unique_ptr<Actor> Agent::make_actor(const ActorOptions&) { return nullptr; }

std::vector<PlanRequest> Agent::request_plans(const std::vector<Actor*>& actors) {
  std::vector<PlanRequest> requests;
  for (Actor* actor : actors) requests.push_back(actor->plan_request());
  return requests;
}

at::Tensor Agent::sample_plans(const std::vector<PlanRequest>&) {
  throw Error({.what = "this agent cannot sample the plans of several actors in one batch",
               .where = name(),
               .next = "call act() on each actor instead"});
}

std::unique_ptr<Actor> require_actor(Agent& agent, const ActorOptions& options,
                                     const std::string& where) {
  if (auto actor = agent.make_actor(options)) return actor;
  throw Error({.what = "this agent does not act: it is trained for its representation",
               .where = where,
               .expected = "a policy's checkpoint",
               .next = "train a policy on its weights, or evaluate its representation: roboimi "
                       "eval --probe"});
}

void refuse_deadline(const ActorOptions& options, const std::string& agent) {
  if (!options.deadline) return;
  throw Error({.what = "this agent does not support deadlines: it computes inside act()",
               .where = agent,
               .next = "remove the deadline, or use an agent that supports one"});
}

}  // namespace roboimi
