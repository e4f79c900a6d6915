#include "roboimi/contract/weights_follow.h"

namespace roboimi {
namespace {

using Tensors = std::map<std::string, at::Tensor>;

const Tensors& no_tensors() {
  static const Tensors none;
  return none;
}

thread_local const WeightsFollow* innermost_weights = nullptr;

}  // namespace

WeightsFollow::WeightsFollow() : WeightsFollow(no_tensors()) {}

WeightsFollow::WeightsFollow(const Tensors& tensors)
    : tensors_(&tensors), outer_(innermost_weights) {
  innermost_weights = this;
}

WeightsFollow::~WeightsFollow() { innermost_weights = outer_; }

bool WeightsFollow::active() { return innermost_weights != nullptr; }

const Tensors& WeightsFollow::tensors() {
  return innermost_weights != nullptr ? *innermost_weights->tensors_ : no_tensors();
}

}  // namespace roboimi
