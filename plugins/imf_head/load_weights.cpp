#include "plugins/imf_head/load_weights.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string_view>

#include "roboimi/common/log.h"
#include "roboimi/io/checkpoint_file.h"
#include "roboimi/io/foreign_weights.h"
#include "roboimi/io/tensor_map.h"

namespace roboimi::imf_head {
namespace {

bool is_ignored(std::string_view name) {
  return name == "_dummy_variable" || name.starts_with("layerwise_");
}

}  // namespace

std::vector<std::string> load_weights(torch::nn::Module& module, const std::filesystem::path& file,
                                      const std::string& state_dict) {
  const TensorMap targets = tensors_of(module);
  WeightNames names{.model = "an IMF head", .expected = {"input_emb.weight"}};
  for (const auto& [name, tensor] : targets) names.expected.push_back(name);
  WeightSelection selected =
      select_weights(read_checkpoint_file(file, state_dict), names, file.string());
  std::vector<std::string> ignored;
  std::erase_if(selected.tensors, [&](const auto& entry) {
    if (is_ignored(entry.first)) ignored.push_back(entry.first);
    return is_ignored(entry.first);
  });
  load_foreign_weights(targets, selected,
                       {.model = "the IMF head",
                        .next = "check n_emb, n_layer, n_head, n_kv_head, output, residual and the "
                                "data's dimensions against the file"});
  if (!ignored.empty()) {
    logger().warn("{}: not part of the head, ignored: {}", file.string(), fmt::join(ignored, ", "));
  }
  return ignored;
}

}  // namespace roboimi::imf_head
