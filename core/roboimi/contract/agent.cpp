#include "roboimi/contract/agent.h"

#include "roboimi/common/error.h"

namespace roboimi {
namespace {

[[noreturn]] void cannot_act(const Agent& agent) {
  throw Error({.what = "this agent does not act: it is trained for its representation",
               .where = agent.name(),
               .next = "train a policy on its weights, or probe it: roboimi eval --probe"});
}

}  // namespace

Agent::~Agent() = default;

bool Agent::decays(const std::string&, const at::Tensor& parameter) const {
  return parameter.dim() >= 2;
}

at::Tensor Agent::represent(const at::Tensor& features) { return features.to(at::kFloat); }

void Agent::reset(std::uint64_t) { cannot_act(*this); }

bool Agent::needs_images() const { cannot_act(*this); }

at::Tensor Agent::act(const Observation&) { cannot_act(*this); }

void Agent::share_batches(Communicator&) {}

void Agent::set_deadline(std::optional<std::chrono::nanoseconds> deadline) {
  if (!deadline) return;
  throw Error({.what = "this agent keeps no deadline: it computes inside act()",
               .where = name(),
               .next = "leave the deadline out, or use an agent that has one"});
}

Agent::Timing Agent::last_timing() const { cannot_act(*this); }

}  // namespace roboimi
