#include "plugins/lewm_vit_backbone/lewm_vit_backbone.h"
#include "roboimi/plugin/plugin.h"

ROBOIMI_PLUGIN("lewm_vit_backbone", "1.0.0", "LEWM's frozen Vision Transformer") {
  registrar.backbone(
      {.name = "lewm_vit_backbone",
       .description = "frozen LEWM ViT; all cameras in one image, one feature a step",
       .schema = roboimi::lewm_vit_backbone::schema(),
       .create = roboimi::lewm_vit_backbone::create});
}
