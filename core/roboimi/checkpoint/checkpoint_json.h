// Conversion of CheckpointState to and from JSON. Internal to checkpoint/.
#pragma once

#include <string>

#include "roboimi/checkpoint/checkpoint.h"

namespace roboimi {

ROBOIMI_EXPORT std::string checkpoint_state_to_json(const CheckpointState& state);
// `where` names the file in errors. Throws Error if the JSON is damaged, changed or of another
// format, or if a key is missing or has the wrong type.
ROBOIMI_EXPORT CheckpointState checkpoint_state_from_json(const std::string& text,
                                                          const std::string& where);

}  // namespace roboimi
