#include "plugins/lewm_world_model/load_checkpoint.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "modules/lewm/checkpoint_names.h"
#include "roboimi/common/error.h"
#include "roboimi/common/log.h"
#include "roboimi/io/checkpoint_file.h"
#include "roboimi/train/tensor_map.h"

namespace roboimi::lewm_world_model {
namespace {

constexpr std::array<std::string_view, 5> kParts = {"encoder.", "predictor.", "action_encoder.",
                                                    "projector.", "pred_proj."};

bool is_of_a_part(const std::string& name) {
  return std::any_of(kParts.begin(), kParts.end(),
                     [&](std::string_view part) { return name.starts_with(part); });
}

}  // namespace

void load_checkpoint(torch::nn::Module& model, const std::filesystem::path& path) {
  const CheckpointFile file = read_checkpoint_file(path);
  const TensorMap own = tensors_of(model);
  TensorMap found;
  for (const auto& [name, tensor] : file.tensors) {
    const std::string ours = lewm_name(name);
    if (!is_of_a_part(ours)) continue;
    const auto target = own.find(ours);
    const bool is_known = target != own.end();
    if (!found.emplace(ours, is_known ? tensor.to(target->second.scalar_type()) : tensor).second) {
      throw Error({.what = "two entries claim '" + ours + "'", .where = path.string()});
    }
  }
  const std::size_t count = found.size();
  // What is no part of the network stays as it is.
  for (const auto& [name, tensor] : own) {
    if (!is_of_a_part(name)) found.emplace(name, tensor);
  }
  load_tensors_strictly(model, found, path.string());
  logger().info("lewm_world_model: {} tensors from {} ({} entries of other parts ignored)", count,
                path.string(), file.tensors.size() - count);
}

}  // namespace roboimi::lewm_world_model
