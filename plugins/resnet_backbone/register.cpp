#include "plugins/resnet_backbone/resnet_backbone.h"
#include "roboimi/plugin/plugin.h"

ROBOIMI_PLUGIN("resnet_backbone", "1.0.0", "ResNet-18, -34 and -50, one feature per camera") {
  registrar.add<roboimi::Backbone>(
      {.name = "resnet_backbone",
       .description = "ResNet with spatial softmax, one feature per camera",
       .schema = roboimi::resnet_backbone::schema(),
       .create = roboimi::resnet_backbone::create,
       .check = {
           .options =
               "{depth: 18, keypoints: 8, shared: true, resize_height: 48, resize_width: 64}"}});
}
