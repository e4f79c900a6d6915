// How a fusion is written down: as options of a component, and in the header of weights that were
// trained on it.
//
//   Schema s;
//   add_fusion_options(s);                              // camera_names, layout, resize, ...
//   FusionOptions fusion = fusion_options_from(options);
//   write_safetensors(file, tensors, fusion_metadata(fusion, options.texts("camera_names")));
#pragma once

#include <map>
#include <string>
#include <vector>

#include "modules/view_fusion/view_fusion.h"
#include "roboimi/config/schema.h"

namespace roboimi::view_fusion {

// The value of roboimi.preprocessing: what normalize_and_resize() does.
constexpr const char* kPreprocessing = "imagenet_then_antialiased_bilinear";

// camera_names, layout, resize, image_height, image_width and shorter_side.
void add_fusion_options(Schema& schema);
FusionOptions fusion_options_from(const Options& options);

// roboimi.fusion.{layout, camera_names, resize, height, width} and roboimi.preprocessing. Under
// kShorterSide height and width are both that side; camera names are comma-separated.
std::map<std::string, std::string> fusion_metadata(const FusionOptions& fusion,
                                                   const std::vector<std::string>& camera_names);

}  // namespace roboimi::view_fusion
