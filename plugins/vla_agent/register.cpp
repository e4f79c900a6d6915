#include "plugins/vla_agent/vla_agent.h"
#include "roboimi/plugin/plugin.h"

ROBOIMI_PLUGIN("vla_agent", "1.0.0", "Agent with a visual backbone and an action head") {
  registrar.add<roboimi::Agent>(
      {.name = "vla_agent",
       .description = "receding-horizon policy: visual features and state to action chunks",
       .schema = roboimi::vla_agent::schema(),
       .create = roboimi::vla_agent::create,
       .check = {
           .options =
               "{use_env_state: true, pred_horizon: 8, num_action_steps: 4, latency_steps: 1, "
               "head: {type: flow_matching_head, n_emb: 32, n_layer: 1, n_head: 2}}"}});
}
