// Sets of names that `roboimi checkpoint` recognises, as data (io/key_layout.h).
#pragma once

#include <vector>

#include "roboimi/io/key_layout.h"

namespace roboimi::app {

const std::vector<KeyLayout>& checkpoint_layouts();

}  // namespace roboimi::app
