// Looks at a file's first bytes and its lock: whether it is a closed, whole HDF5 file, and if not,
// what it is and what makes it readable.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "roboimi/common/error.h"

namespace roboimi::hdf5_dataset {

// Error when another program has the file open for writing: what is in it may change or be missing.
// Programs that hold no lock are not seen.
void check_not_being_written(const std::filesystem::path& file);

// Why HDF5 does not open the file; `reason` is the library's own message.
Error not_opened(const std::filesystem::path& file, const std::string& reason);

}  // namespace roboimi::hdf5_dataset
