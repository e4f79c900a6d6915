#include "roboimi/train/communicator.h"

namespace roboimi {

Communicator::~Communicator() = default;

}  // namespace roboimi
