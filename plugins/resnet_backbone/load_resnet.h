// Strict loading of torchvision's ResNet weights.
#pragma once

#include <string>

#include "modules/resnet/resnet.h"
#include "roboimi/io/checkpoint_file.h"

namespace roboimi::resnet_backbone {

// Copies weights with torchvision's names, after any prefix (io/weight_selection.h). fc.* is
// ignored, and a GroupNorm needs no running statistics. An Error lists missing and unexpected
// names, wrong shapes, and weights that are not finite.
void load_resnet(const CheckpointFile& file, resnet::ResNetImpl& encoder,
                 const std::string& source);

}  // namespace roboimi::resnet_backbone
