// Functions that declare the options for the fusion of camera views, and write them to the metadata
// of weights that were trained on fused views.
//
//   void declare(OptionFields& fields, MyOptions& o) {
//     declare_fusion(fields, o.camera_names, o.fusion);   // camera_names, layout, resize, ...
//   }
//   write_safetensors(file, tensors, fusion_metadata(o.fusion, o.camera_names));
#pragma once

#include <map>
#include <string>
#include <vector>

#include "modules/view_fusion/view_fusion.h"
#include "roboimi/config/declare.h"

namespace roboimi::view_fusion {

// The value of roboimi.preprocessing: what normalize_and_resize() does.
constexpr const char* kPreprocessing = "imagenet_then_antialiased_bilinear";

// Declares camera_names, layout, resize, image_height, image_width and shorter_side at the top
// level of the component's options.
void declare_fusion(OptionFields& fields, std::vector<std::string>& camera_names,
                    FusionOptions& fusion);

// Returns roboimi.fusion.{layout, camera_names, resize, height, width} and roboimi.preprocessing.
// With kShorterSide, height and width are both the shorter side. Camera names are comma-separated.
std::map<std::string, std::string> fusion_metadata(const FusionOptions& fusion,
                                                   const std::vector<std::string>& camera_names);

}  // namespace roboimi::view_fusion
