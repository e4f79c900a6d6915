// The components of the plugin; each is in a file of its own.
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

// Reads the depth stream "front_depth", float32 or uint16.
std::shared_ptr<Backbone> create_depth_backbone(const Options& options,
                                                const ObservationSpec& spec);
// Reads the camera "front" and the robot's state.
std::shared_ptr<Backbone> create_proprio_backbone(const Options& options,
                                                  const ObservationSpec& spec);
// Attends to the condition's tokens, by their mask.
std::shared_ptr<Head> create_token_head(const Options& options, const HeadSpec& spec);
// Reads the text "task", letter by letter, and gives it to its head as tokens.
Schema text_agent_schema();
std::shared_ptr<Agent> create_text_agent(const Options& options, const ObservationSpec& spec,
                                         Registry& registry);
// A point in the plane that has to reach the left or the right target, as the text says.
std::shared_ptr<Environment> create_reach_env(const Options& options);

}  // namespace streams
}  // namespace roboimi
