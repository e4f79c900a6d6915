#include "roboimi/model/agent.h"

namespace roboimi {

Agent::~Agent() = default;

bool Agent::decays(const std::string&, const at::Tensor& parameter) const {
  return parameter.dim() >= 2;
}

}  // namespace roboimi
