// Checks whether a file is a closed, complete HDF5 file, from its first bytes and its lock. Errors
// describe what the file is instead and how to make it readable.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "roboimi/common/error.h"

namespace roboimi::hdf5_dataset {

// Throws Error if another program has the file open for writing, since its contents may be
// incomplete. Cannot detect programs that hold no lock.
void check_not_being_written(const std::filesystem::path& file);

// An error that explains why HDF5 cannot open the file. `reason` is the library's own message.
Error not_opened(const std::filesystem::path& file, const std::string& reason);

}  // namespace roboimi::hdf5_dataset
