// Factory functions of the plugin's components.
#pragma once

#include <memory>

#include "roboimi/config/schema.h"
#include "roboimi/contract/head.h"
#include "roboimi/contract/observation.h"

namespace roboimi {

class Agent;
class Backbone;
class Environment;
class Registry;

namespace streams {

// A backbone that reads the depth stream "front_depth", float32 or uint16.
std::shared_ptr<Backbone> create_depth_backbone(const Options& options,
                                                const ObservationSpec& spec);
// A backbone that reads the camera "front" and the robot's state.
std::shared_ptr<Backbone> create_proprio_backbone(const Options& options,
                                                  const ObservationSpec& spec);
// A head that attends to the condition's tokens and respects their mask.
std::shared_ptr<Head> create_token_head(const Options& options, const HeadSpec& spec);
// An agent that passes the text stream "task" to its head as one token per letter.
Schema text_agent_schema();
std::shared_ptr<Agent> create_text_agent(const Options& options, const ObservationSpec& spec,
                                         Registry& registry);
// An environment in which a point in the plane must reach the left or right target named in "task".
std::shared_ptr<Environment> create_reach_env(const Options& options);

}  // namespace streams
}  // namespace roboimi
