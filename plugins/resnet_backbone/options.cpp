// The options of ResNetBackbone, as a config has them.
#include <string>

#include "plugins/resnet_backbone/resnet_backbone.h"
#include "roboimi/config/declare.h"
#include "roboimi/contract/declare_image_size.h"

namespace roboimi::resnet_backbone {

static void declare(OptionFields& fields, ResNetBackboneOptions& o) {
  fields.integer("depth", o.depth, "18, 34 or 50").range(18, 50);
  fields.when_read([&](const Options& options) {
    if (o.depth == 18 || o.depth == 34 || o.depth == 50) return;
    options.fail("depth", "unknown ResNet depth", "one of 18, 34, 50");
  });
  fields.choice("norm", o.norm,
                {{resnet::ResNetNorm::kGroup, "group"}, {resnet::ResNetNorm::kBatch, "batch"}},
                "GroupNorm with C/16 groups, or BatchNorm that stays as loaded");
  fields.choice("pooling", o.pooling,
                {{Pooling::kSpatialSoftmax, "spatial_softmax"}, {Pooling::kAverage, "average"}},
                "keypoint positions, or the average over the image");
  fields.integer("keypoints", o.keypoints, "keypoints of the spatial softmax; two numbers each")
      .at_least(1);
  fields.boolean("shared", o.shared, "one encoder for all cameras in place of one each");
  fields.boolean("frozen", o.frozen, "keep the weights; the features can then be cached");
  fields.texts("camera_names", o.camera_names, "cameras in order; empty: data.camera_names");
  declare_image_size(fields, "resize", o.resize,
                     {.height = "height of a resized frame", .width = "width of a resized frame"});
  declare_image_size(
      fields, "crop", o.crop,
      {.height = "window, random in training", .width = "window, random in training"});
  fields.path("checkpoint", o.checkpoint, "torchvision's weights, for every encoder");
  fields.optional_text("state_dict", o.state_dict,
                       "which weights, where the checkpoint holds several: ema_model");
}

Schema schema() { return schema_of<ResNetBackboneOptions>(); }

std::shared_ptr<Backbone> create(const Options& options, const ObservationSpec& spec) {
  return std::make_shared<ResNetBackbone>(options_from<ResNetBackboneOptions>(options), spec);
}

}  // namespace roboimi::resnet_backbone
