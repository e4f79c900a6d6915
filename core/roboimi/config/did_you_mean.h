// Suggestions for errors about unknown names.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "roboimi/common/export.h"

namespace roboimi {

// "did you mean 'n_emb'?", or `otherwise` if no candidate is similar. See nearest_name().
ROBOIMI_EXPORT std::string did_you_mean(std::string_view name,
                                        const std::vector<std::string>& candidates,
                                        const std::string& otherwise = "");

}  // namespace roboimi
