// Config options of ResNetBackbone.
#include <string>

#include "plugins/resnet_backbone/resnet_backbone.h"
#include "roboimi/config/declare.h"
#include "roboimi/contract/declare_image_size.h"

namespace roboimi::resnet_backbone {

static void declare(OptionFields& fields, ResNetBackboneOptions& o) {
  fields.integer("depth", o.depth, "number of layers: 18, 34 or 50").range(18, 50);
  fields.when_read([&](const Options& options) {
    if (o.depth == 18 || o.depth == 34 || o.depth == 50) return;
    options.fail("depth", "unknown ResNet depth", "one of 18, 34, 50");
  });
  fields.choice("norm", o.norm,
                {{resnet::ResNetNorm::kGroup, "group"}, {resnet::ResNetNorm::kBatch, "batch"}},
                "GroupNorm with C/16 groups, or BatchNorm with fixed statistics and weights");
  fields.choice("pooling", o.pooling,
                {{Pooling::kSpatialSoftmax, "spatial_softmax"}, {Pooling::kAverage, "average"}},
                "positions of keypoints, or the average over the image");
  fields
      .integer("keypoints", o.keypoints,
               "number of keypoints of the spatial softmax; two features each")
      .at_least(1);
  fields.boolean("shared", o.shared, "use one encoder for all cameras instead of one per camera");
  fields.boolean("frozen", o.frozen, "do not train the weights; the features can then be cached");
  fields.texts("camera_names", o.camera_names, "cameras in order; empty: data.camera_names");
  declare_image_size(fields, "resize", o.resize,
                     {.height = "height of a resized frame", .width = "width of a resized frame"});
  declare_image_size(fields, "crop", o.crop,
                     {.height = "height of the crop window, which is random in training",
                      .width = "width of the crop window, which is random in training"});
  fields.path("checkpoint", o.checkpoint,
              "file of initial weights for every encoder, with torchvision's names");
  fields.optional_text("state_dict", o.state_dict,
                       "which weights to use if the checkpoint holds several, such as ema_model");
}

Schema schema() { return schema_of<ResNetBackboneOptions>(); }

std::shared_ptr<Backbone> create(const Options& options, const ObservationSpec& spec) {
  return std::make_shared<ResNetBackbone>(options_from<ResNetBackboneOptions>(options), spec);
}

}  // namespace roboimi::resnet_backbone
