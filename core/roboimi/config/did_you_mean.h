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

// "did you mean 'resnet_backbone'?" for 'resnet': the candidates that contain `name`, if there are
// only a few, or else as did_you_mean().
ROBOIMI_EXPORT std::string did_you_mean_part(std::string_view name,
                                             const std::vector<std::string>& candidates,
                                             const std::string& otherwise = "");

// This project's name of a key that other programs call `name`: "learning_rate" for "lr". `name`
// itself if it has no other.
ROBOIMI_EXPORT std::string usual_name(const std::string& name);

}  // namespace roboimi
