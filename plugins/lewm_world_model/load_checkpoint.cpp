#include "plugins/lewm_world_model/load_checkpoint.h"

#include <algorithm>

#include "modules/lewm/checkpoint_names.h"
#include "roboimi/common/log.h"
#include "roboimi/io/checkpoint_file.h"
#include "roboimi/io/foreign_weights.h"
#include "roboimi/io/tensor_map.h"

namespace roboimi::lewm_world_model {

void load_checkpoint(torch::nn::Module& model, const std::filesystem::path& path,
                     const std::string& state_dict) {
  WeightNames names{
      .model = "a LEWM world model",
      .parts = {"encoder.", "predictor.", "action_encoder.", "projector.", "pred_proj."},
      .rename = lewm::lewm_name};
  // Loads only the networks; other tensors of the model keep their values.
  TensorMap network = tensors_of(model);
  std::erase_if(network, [&](const auto& entry) {
    return std::none_of(names.parts.begin(), names.parts.end(),
                        [&](const std::string& part) { return entry.first.starts_with(part); });
  });
  for (const auto& [name, tensor] : network) names.expected.push_back(name);
  const WeightSelection selected =
      select_weights(read_checkpoint_file(path, state_dict), names, path.string());
  load_foreign_weights(
      std::move(network), selected,
      {.model = "the world model", .next = "set the sizes of the network to the checkpoint's"});
  logger().info("lewm_world_model: {} tensors from {} ({} entries of other parts ignored)",
                selected.tensors.size(), path.string(), selected.left_out.size());
}

}  // namespace roboimi::lewm_world_model
