#include "roboimi/contract/actor.h"

#include <utility>

#include "roboimi/common/error.h"

namespace roboimi {

Actor::~Actor() = default;

void Actor::replace_command(const at::Tensor&) {}

void Actor::observe(const Observation& observation) { observed_ = observation; }

PlanRequest Actor::plan_request() {
  throw Error({.what = "this actor plans inside act()",
               .expected = "plan_request() only while wants_plan() is true"});
}

void Actor::accept(const at::Tensor&) {
  throw Error({.what = "accept() was called without a plan_request()",
               .next = "call accept() once after each plan_request()"});
}

at::Tensor Actor::command() { return act(std::exchange(observed_, {})); }

}  // namespace roboimi
