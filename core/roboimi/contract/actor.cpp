#include "roboimi/contract/actor.h"

#include <utility>

#include "roboimi/common/error.h"

namespace roboimi {

Actor::~Actor() = default;

void Actor::observe(const Observation& observation) { observed_ = observation; }

PlanRequest Actor::plan_request() {
  throw Error({.what = "this actor plans inside act()",
               .expected = "plan_request() where wants_plan() is true"});
}

void Actor::accept(const at::Tensor&) {
  throw Error({.what = "a chunk that no plan_request() asked for",
               .next = "call accept() once for each plan_request()"});
}

at::Tensor Actor::command() { return act(std::exchange(observed_, {})); }

}  // namespace roboimi
