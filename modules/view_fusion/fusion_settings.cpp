#include "modules/view_fusion/fusion_settings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace roboimi::view_fusion {

void add_fusion_options(Schema& schema) {
  schema.texts("camera_names", {"front", "top", "r_vis"},
               "cameras in the order in which they are joined");
  schema.text("layout", "horizontal", "how the views are joined; a grid's empty cell is black")
      .one_of({"horizontal", "vertical", "grid"});
  schema.text("resize", "exact", "to image_height x image_width, or shorter side with aspect kept")
      .one_of({"exact", "shorter_side"});
  schema.integer("image_height", 224, "height of the fused image under resize: exact")
      .at_least(1)
      .with_unit("pixels");
  schema.integer("image_width", 224, "width of the fused image under resize: exact")
      .at_least(1)
      .with_unit("pixels");
  schema.integer("shorter_side", 224, "shorter side of the fused image under resize: shorter_side")
      .at_least(1)
      .with_unit("pixels");
}

FusionOptions fusion_options_from(const Options& options) {
  return {.layout = fusion_layout_from(options.text("layout")),
          .resize = fusion_resize_from(options.text("resize")),
          .height = options.integer("image_height"),
          .width = options.integer("image_width"),
          .shorter_side = options.integer("shorter_side")};
}

std::map<std::string, std::string> fusion_metadata(const FusionOptions& fusion,
                                                   const std::vector<std::string>& camera_names) {
  const bool exact = fusion.resize == FusionResize::kExact;
  return {{"roboimi.fusion.layout", to_string(fusion.layout)},
          {"roboimi.fusion.camera_names", fmt::format("{}", fmt::join(camera_names, ","))},
          {"roboimi.fusion.resize", to_string(fusion.resize)},
          {"roboimi.fusion.height", std::to_string(exact ? fusion.height : fusion.shorter_side)},
          {"roboimi.fusion.width", std::to_string(exact ? fusion.width : fusion.shorter_side)},
          {"roboimi.preprocessing", kPreprocessing}};
}

}  // namespace roboimi::view_fusion
