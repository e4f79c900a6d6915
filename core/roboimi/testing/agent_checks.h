// What every Agent keeps to (contract/agent.h).
#pragma once

#include <memory>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/agent.h"
#include "roboimi/testing/check.h"

namespace roboimi::testing {

class ROBOIMI_EXPORT AgentSubject : public Subject {
 public:
  // One more agent with the options under test; names and shapes of its weights are always the
  // same.
  virtual std::shared_ptr<Agent> make(const ObservationSpec& spec) const = 0;
  // The default: cameras r_vis, top and front of 72 x 96 pixels, 4 states, 3 actions, an env_state
  // of 2 numbers.
  virtual ObservationSpec spec() const;
};

ROBOIMI_EXPORT const std::vector<Check<AgentSubject>>& agent_checks();

}  // namespace roboimi::testing
