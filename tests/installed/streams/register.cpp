#include "components.h"
#include "roboimi/plugin/plugin.h"

ROBOIMI_PLUGIN("streams", "1.0.0", "Components that use depth, state, tokens and text") {
  using namespace roboimi;
  registrar.add<Backbone>({.name = "depth_backbone",
                           .description = "features of a depth image",
                           .schema = {},
                           .create = streams::create_depth_backbone});
  registrar.add<Backbone>({.name = "proprio_backbone",
                           .description = "features of an image and the robot's state",
                           .schema = {},
                           .create = streams::create_proprio_backbone});
  registrar.add<Head>({.name = "token_head",
                       .description = "attends to tokens",
                       .schema = {},
                       .create = streams::create_token_head});
  registrar.add<Agent>({.name = "text_agent",
                        .description = "follows a text instruction",
                        .schema = streams::text_agent_schema(),
                        .create = streams::create_text_agent,
                        .check = {.options = "{head: {type: token_head}}"}});
  registrar.add<Environment>({.name = "reach_env",
                              .description = "a point that reaches a target",
                              .schema = {},
                              .create = streams::create_reach_env});
}
