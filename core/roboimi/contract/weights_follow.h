// Tells components under construction that a checkpoint will fill in all of their weights.
//
//   if (!options.checkpoint.empty() && !WeightsFollow::active()) load_weights(options.checkpoint);
//
// A policy's own checkpoint holds its frozen encoder too, so that it can be deployed where the
// encoder's original file is not. A component that would read its sizes from that file finds them
// in tensors().
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "roboimi/common/export.h"

namespace roboimi {

// Active on this thread while one lives.
class ROBOIMI_EXPORT WeightsFollow {
 public:
  // `tensors`: those of the whole agent, by its names; they outlive the object.
  WeightsFollow();
  explicit WeightsFollow(const std::map<std::string, at::Tensor>& tensors);
  ~WeightsFollow();
  WeightsFollow(const WeightsFollow&) = delete;
  WeightsFollow& operator=(const WeightsFollow&) = delete;

  static bool active();
  // Those of the innermost object; empty where none were given.
  static const std::map<std::string, at::Tensor>& tensors();

 private:
  const std::map<std::string, at::Tensor>* tensors_;
  const WeightsFollow* outer_;
};

}  // namespace roboimi
