// The folder that `roboimi eval --output` writes to: one evaluation, never two mixed.
#pragma once

#include <filesystem>

namespace roboimi::app {

// Error unless the folder is new, empty, or holds nothing but what an evaluation left that did not
// come to its summary, and can be written. Creates and removes nothing.
void require_output_folder(const std::filesystem::path& folder);

// Removes what an unfinished evaluation left there; of any other folder nothing.
void clear_unfinished_evaluation(const std::filesystem::path& folder);

}  // namespace roboimi::app
