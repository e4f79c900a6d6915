#include "roboimi/env/environment.h"

namespace roboimi {

Expert::~Expert() = default;
Environment::~Environment() = default;

std::unique_ptr<Expert> Environment::make_expert(double, std::uint64_t) { return nullptr; }

}  // namespace roboimi
