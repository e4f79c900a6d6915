#include "plugins/lewm_world_model/lewm_world_model.h"
#include "roboimi/plugin/plugin.h"

ROBOIMI_PLUGIN("lewm_world_model", "1.0.0", "LeWorldModel: pretrains LEWM's encoder on clips") {
  registrar.agent(
      {.name = "lewm_world_model",
       .description = "joint-embedding world model: predicts the next frame's embedding",
       .schema = roboimi::lewm_world_model::schema(),
       .create = roboimi::lewm_world_model::create});
}
