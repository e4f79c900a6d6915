#include "plugins/lewm_vit_backbone/lewm_vit_backbone.h"
#include "roboimi/plugin/plugin.h"

ROBOIMI_PLUGIN("lewm_vit_backbone", "1.0.0", "LEWM's frozen Vision Transformer") {
  registrar.add<roboimi::Backbone>(
      {.name = "lewm_vit_backbone",
       .description =
           "frozen LEWM ViT; all cameras joined into one image, one feature per time step",
       .schema = roboimi::lewm_vit_backbone::schema(),
       .create = roboimi::lewm_vit_backbone::create,
       .check = {.options = "{random_init: true, image_height: 56, image_width: 84, hidden_size: "
                            "48, num_layers: 2, num_heads: 3, "
                            "intermediate_size: 96, projector_hidden: 64}"}});
}
