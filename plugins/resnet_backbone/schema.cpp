// The options as YAML has them.
#include "plugins/resnet_backbone/resnet_backbone.h"
#include "roboimi/common/error.h"

namespace roboimi::resnet_backbone {
namespace {

// Two options that only make sense together.
std::optional<ImageSize> size_of(const Options& options, const char* height, const char* width) {
  if (options.has(height) != options.has(width)) {
    const char* given = options.has(height) ? height : width;
    const char* absent = options.has(height) ? width : height;
    options.fail(given, std::string(given) + " is given alone", std::string(absent) + " beside it");
  }
  if (!options.has(height)) return std::nullopt;
  return ImageSize{options.integer(height), options.integer(width)};
}

}  // namespace

Schema schema() {
  Schema s;
  s.integer("depth", 18, "18, 34 or 50").range(18, 50);
  s.text("norm", "group", "GroupNorm with C/16 groups, or BatchNorm that stays as loaded")
      .one_of({"group", "batch"});
  s.text("pooling", "spatial_softmax", "keypoint positions, or the average over the image")
      .one_of({"spatial_softmax", "average"});
  s.integer("keypoints", 32, "keypoints of the spatial softmax; two numbers each").at_least(1);
  s.boolean("shared", false, "one encoder for all cameras in place of one each");
  s.boolean("frozen", false, "keep the weights; the features can then be cached");
  s.texts("camera_names", {}, "cameras in order; empty: data.camera_names");
  s.optional_integer("resize_height", "height of a resized frame").at_least(1).with_unit("pixels");
  s.optional_integer("resize_width", "width of a resized frame").at_least(1).with_unit("pixels");
  s.optional_integer("crop_height", "window, random in training").at_least(1).with_unit("pixels");
  s.optional_integer("crop_width", "window, random in training").at_least(1).with_unit("pixels");
  s.optional_path("checkpoint", "torchvision's weights, for every encoder");
  s.optional_text("state_dict", "which weights, where the checkpoint holds several: ema_model");
  return s;
}

std::shared_ptr<Backbone> create(const Options& options, const ObservationSpec& spec) {
  const std::int64_t depth = options.integer("depth");
  if (depth != 18 && depth != 34 && depth != 50) {
    options.fail("depth", "unknown ResNet depth", "one of 18, 34, 50");
  }
  ResNetBackboneOptions made{.depth = depth,
                             .norm = options.text("norm") == "batch" ? resnet::ResNetNorm::kBatch
                                                                     : resnet::ResNetNorm::kGroup,
                             .pooling = options.text("pooling") == "average"
                                            ? Pooling::kAverage
                                            : Pooling::kSpatialSoftmax,
                             .keypoints = options.integer("keypoints"),
                             .shared = options.boolean("shared"),
                             .frozen = options.boolean("frozen"),
                             .camera_names = options.texts("camera_names"),
                             .resize = size_of(options, "resize_height", "resize_width"),
                             .crop = size_of(options, "crop_height", "crop_width")};
  if (options.has("checkpoint")) made.checkpoint = options.text("checkpoint");
  if (options.has("state_dict")) made.state_dict = options.text("state_dict");
  return std::make_shared<ResNetBackbone>(std::move(made), spec);
}

}  // namespace roboimi::resnet_backbone
