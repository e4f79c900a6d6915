// torchvision's ResNet weights into a ResNet, strictly.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "modules/resnet/resnet.h"

namespace roboimi::resnet_backbone {

// Names as torchvision has them, also under `module.` or `_orig_mod.`; fc.* is passed over, and a
// GroupNorm needs no running statistics. Error that lists missing, unexpected and misshapen names.
void load_resnet(const std::map<std::string, at::Tensor>& tensors, ResNetImpl& encoder,
                 const std::string& source);

}  // namespace roboimi::resnet_backbone
