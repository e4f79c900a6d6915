#include "plugins/resnet_backbone/load_resnet.h"

#include "roboimi/io/foreign_weights.h"
#include "roboimi/io/tensor_map.h"

namespace roboimi::resnet_backbone {

void load_resnet(const CheckpointFile& file, resnet::ResNetImpl& encoder,
                 const std::string& source) {
  const TensorMap targets = tensors_of(encoder);
  WeightNames names{.model = "a ResNet"};
  for (const auto& [name, target] : targets) names.expected.push_back(name);
  WeightSelection selected = select_weights(file, names, source);
  // The encoder has no classifier.
  std::erase_if(selected.tensors, [](const auto& entry) { return entry.first.starts_with("fc."); });
  load_foreign_weights(targets, selected,
                       {.model = "the ResNet",
                        .next = "set depth and norm to match the checkpoint (running statistics "
                                "require norm: batch)",
                        // Files from before PyTorch 0.4.1 have no num_batches_tracked.
                        .may_be_missing = [](const std::string& name) {
                          return name.ends_with("num_batches_tracked");
                        }});
}

}  // namespace roboimi::resnet_backbone
