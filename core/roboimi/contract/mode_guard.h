// A scope guard that puts a module into training or evaluation mode and restores the old mode.
//
//   const ModeGuard evaluation(agent, /*training=*/false);
//
// Each submodule's own mode is restored: a frozen part of a training agent stays in evaluation.
#pragma once

#include <torch/nn/module.h>

#include <memory>
#include <utility>
#include <vector>

namespace roboimi {

class ModeGuard {
 public:
  ModeGuard(torch::nn::Module& module, bool training)
      : module_(module), was_training_(module.is_training()) {
    for (const auto& part : module.modules(/*include_self=*/false)) {
      parts_.emplace_back(part, part->is_training());
    }
    module.train(training);
  }
  ~ModeGuard() {
    // train() also sets the children, so restore the parent first and then each child.
    module_.train(was_training_);
    for (auto& [part, training] : parts_) part->train(training);
  }
  ModeGuard(const ModeGuard&) = delete;
  ModeGuard& operator=(const ModeGuard&) = delete;

 private:
  torch::nn::Module& module_;
  bool was_training_;
  std::vector<std::pair<std::shared_ptr<torch::nn::Module>, bool>> parts_;
};

}  // namespace roboimi
