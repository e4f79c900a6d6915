// The communicator that the tests in this folder use. Each communicator plugin has a test program
// that defines this function.
#pragma once

#include <memory>

#include "roboimi/contract/communicator.h"

namespace roboimi::testing {

std::unique_ptr<Communicator> make_communicator();

}  // namespace roboimi::testing
