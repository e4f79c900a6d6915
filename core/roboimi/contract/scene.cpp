#include "roboimi/contract/scene.h"

#include <ATen/ATen.h>

namespace roboimi {

Expert::~Expert() = default;
Scene::~Scene() = default;

std::vector<std::array<double, 3>> Scene::tool_positions() const {
  return end_effector_positions();
}

std::vector<bool> Scene::holding() const {
  return std::vector<bool>(end_effector_names().size(), false);
}

std::map<std::string, at::Tensor> Scene::labels() const {
  std::map<std::string, at::Tensor> labels;
  const auto names = end_effector_names();
  const auto positions = end_effector_positions();
  for (std::size_t i = 0; i < names.size(); ++i) {
    labels[names[i] + "_position"] = at::tensor(at::ArrayRef<double>(positions[i]), at::kFloat);
  }
  return labels;
}

std::string Scene::renderer_name() const { return ""; }

std::unique_ptr<Expert> Scene::make_expert(double, std::uint64_t) { return nullptr; }

}  // namespace roboimi
