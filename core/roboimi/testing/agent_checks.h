// Conformance checks for agents (contract/agent.h).
#pragma once

#include <memory>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/agent.h"
#include "roboimi/testing/check.h"

namespace roboimi::testing {

class ROBOIMI_EXPORT AgentSubject : public Subject {
 public:
  // Creates another agent with the options under test. Names and shapes of its weights must always
  // be the same.
  virtual std::shared_ptr<Agent> make(const ObservationSpec& spec) const = 0;
  // Default: cameras r_vis, top and front of 72 x 96 pixels, the depth of each (r_vis_depth,
  // top_depth, front_depth), a text "task", state dimension 4, action dimension 3, env_state
  // dimension 2.
  virtual ObservationSpec spec() const;
};

ROBOIMI_EXPORT const std::vector<Check<AgentSubject>>& agent_checks();

}  // namespace roboimi::testing
