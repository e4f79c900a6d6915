// A scope in which components that are created skip their own weight files, because a checkpoint
// will be loaded into them.
//
//   if (!options.checkpoint.empty() && !WeightsFollow::active()) load_weights(options.checkpoint);
//
// A policy's checkpoint includes its frozen encoder, so that the policy can be deployed on machines
// without the encoder's original file. A component that reads its sizes from that file can take
// them from tensors() instead.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "roboimi/common/export.h"

namespace roboimi {

// Active on the current thread while the object exists.
class ROBOIMI_EXPORT WeightsFollow {
 public:
  // `tensors`: all tensors of the agent, by the agent's names; they must outlive the object.
  WeightsFollow();
  explicit WeightsFollow(const std::map<std::string, at::Tensor>& tensors);
  ~WeightsFollow();
  WeightsFollow(const WeightsFollow&) = delete;
  WeightsFollow& operator=(const WeightsFollow&) = delete;

  static bool active();
  // The tensors of the innermost object; empty if it has none.
  static const std::map<std::string, at::Tensor>& tensors();

 private:
  const std::map<std::string, at::Tensor>* tensors_;
  const WeightsFollow* outer_;
};

}  // namespace roboimi
