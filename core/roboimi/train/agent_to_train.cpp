#include "roboimi/train/agent_to_train.h"

#include "roboimi/contract/run_files.h"
#include "roboimi/contract/weights_follow.h"
#include "roboimi/plugin/registry.h"

namespace roboimi {

std::shared_ptr<Agent> create_agent_to_train(const ConfigNode& agent, const ObservationSpec& spec,
                                             std::uint64_t seed,
                                             const std::optional<ResumedRun>& resumed) {
  Registry& registry = Registry::instance();
  if (!resumed) return registry.create_agent(agent, "agent", spec, seed);
  const TensorMap& saved = resumed->weights;
  const WeightsFollow weights_follow(saved);
  const RunFiles run_files(resumed->folder);
  auto made = registry.create_agent(agent, "agent", spec, seed);
  const torch::NoGradGuard no_grad;
  for (auto& [name, target] : tensors_of(*made)) {
    const auto source = saved.find(name);
    const bool fits = source != saved.end() && source->second.sizes() == target.sizes() &&
                      source->second.scalar_type() == target.scalar_type();
    if (fits) target.copy_(source->second);
  }
  return made;
}

}  // namespace roboimi
