#include "roboimi/contract/environment.h"

namespace roboimi {

Environment::~Environment() = default;

Scene* Environment::scene() { return nullptr; }

}  // namespace roboimi
