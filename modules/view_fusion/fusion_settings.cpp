#include "modules/view_fusion/fusion_settings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace roboimi::view_fusion {

void declare_fusion(OptionFields& fields, std::vector<std::string>& camera_names,
                    FusionOptions& fusion) {
  using enum FusionLayout;
  using enum FusionResize;
  fields.texts("camera_names", camera_names, "cameras to join, in this order");
  fields.choice("layout", fusion.layout, named({kHorizontal, kVertical, kGrid}),
                "arrangement of the views; an empty grid cell is black");
  fields.choice("resize", fusion.resize, named({kExact, kShorterSide}),
                "`exact`: to image_height x image_width; `shorter_side`: keeps the aspect ratio");
  fields.integer("image_height", fusion.height, "height of the fused image for resize: exact")
      .at_least(1)
      .with_unit("pixels");
  fields.integer("image_width", fusion.width, "width of the fused image for resize: exact")
      .at_least(1)
      .with_unit("pixels");
  fields
      .integer("shorter_side", fusion.shorter_side,
               "shorter side of the fused image for resize: shorter_side")
      .at_least(1)
      .with_unit("pixels");
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
