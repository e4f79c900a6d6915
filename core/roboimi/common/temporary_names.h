// Temporary names for files and folders that are still being written:
// ".NAME.tmp4711-1a2b3c4d-9f3ac2d1". They consist of the process ID, the boot of the machine and a
// random number, so that nobody can guess the name and create a link there. Internal to core.
#pragma once

#include <filesystem>

namespace roboimi {

// A temporary name in the folder of `path`, different at each call.
std::filesystem::path temporary_name(const std::filesystem::path& path);

// Removes temporary files of `path` that killed processes have left: immediately if they are from
// this boot of this machine, otherwise after a day. No link is followed. Best effort.
void remove_leftovers_of(const std::filesystem::path& path);

}  // namespace roboimi
