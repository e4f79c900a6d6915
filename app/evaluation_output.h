// The folder of `roboimi eval --output`, which never mixes the files of two evaluations.
#pragma once

#include <filesystem>

namespace roboimi::app {

// Error unless the folder is writable, and is new, empty, or holds only the files of an evaluation
// that ended before its summary. Creates and removes nothing.
void require_output_folder(const std::filesystem::path& folder);

// Removes the files of an unfinished evaluation. Leaves any other folder unchanged.
void clear_unfinished_evaluation(const std::filesystem::path& folder);

}  // namespace roboimi::app
