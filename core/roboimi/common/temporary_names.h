// Names of files and folders that are not whole yet: ".NAME.tmp4711-1a2b3c4d-9f3ac2d1", made of the
// process, the boot of its machine and chance, so that nobody can put a link there beforehand.
// Internal to core.
#pragma once

#include <filesystem>

namespace roboimi {

// A name beside `path`, another one at each call.
std::filesystem::path temporary_name(const std::filesystem::path& path);

// Removes the files that killed processes left under such names of `path`: those of this machine at
// once, those of another machine or boot after a day. No link is followed. Best effort.
void remove_leftovers_of(const std::filesystem::path& path);

}  // namespace roboimi
