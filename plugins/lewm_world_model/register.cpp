#include "plugins/lewm_world_model/lewm_world_model.h"
#include "roboimi/plugin/plugin.h"

ROBOIMI_PLUGIN("lewm_world_model", "1.0.0",
               "LeWorldModel: pretrains LEWM's encoder on video clips") {
  registrar.add<roboimi::Agent>(
      {.name = "lewm_world_model",
       .description = "joint-embedding world model: predicts the next frame's embedding",
       .schema = roboimi::lewm_world_model::schema(),
       .create = roboimi::lewm_world_model::create,
       .check = {
           .options =
               "{image_height: 56, image_width: 84, hidden_size: 48, num_layers: 2, num_heads: 3, "
               "intermediate_size: 96, projector_hidden: 64, predictor_depth: 2, predictor_heads: "
               "2, "
               "predictor_head_dim: 16, predictor_mlp_dim: 64, sigreg_projections: 64}"}});
}
