// state.json, there and back. Internal to checkpoint/.
#pragma once

#include <string>

#include "roboimi/checkpoint/checkpoint.h"

namespace roboimi {

ROBOIMI_EXPORT std::string checkpoint_state_to_json(const CheckpointState& state);
// Error naming `where` when a key is missing or of another type.
ROBOIMI_EXPORT CheckpointState checkpoint_state_from_json(const std::string& text,
                                                          const std::string& where);

}  // namespace roboimi
