// torchvision's ResNet weights into a ResNet, strictly.
#pragma once

#include <string>

#include "modules/resnet/resnet.h"
#include "roboimi/io/checkpoint_file.h"

namespace roboimi::resnet_backbone {

// Names as torchvision has them, behind any prefix (io/weight_selection.h); fc.* is passed over,
// and a GroupNorm needs no running statistics. Error that lists missing, unexpected and misshapen
// names, and weights that are not finite.
void load_resnet(const CheckpointFile& file, resnet::ResNetImpl& encoder,
                 const std::string& source);

}  // namespace roboimi::resnet_backbone
