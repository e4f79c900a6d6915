#include "roboimi/contract/environment.h"

#include <ATen/ATen.h>

namespace roboimi {

Expert::~Expert() = default;
Environment::~Environment() = default;

std::unique_ptr<Expert> Environment::make_expert(double, std::uint64_t) { return nullptr; }

std::map<std::string, at::Tensor> Environment::labels() const {
  std::map<std::string, at::Tensor> labels;
  const auto names = end_effector_names();
  const auto positions = end_effector_positions();
  for (std::size_t i = 0; i < names.size(); ++i) {
    labels[names[i] + "_position"] = at::tensor(at::ArrayRef<double>(positions[i]), at::kFloat);
  }
  return labels;
}

}  // namespace roboimi
