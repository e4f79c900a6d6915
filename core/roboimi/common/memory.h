// Checks of available memory before large allocations, and reuse of freed memory. Linux grants more
// memory than it has and kills this or another process when the memory is used.
//
//   require_memory(4 * num_parameters, "the head", "agent.head", "lower n_emb or n_layer");
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "roboimi/common/export.h"

namespace roboimi {

// Bytes that this process can still allocate: the minimum of the machine's free memory, the rest of
// the control groups' limits and the rest of the process's limit (ulimit -v).
ROBOIMI_EXPORT std::uint64_t available_memory();

// The rest of the limit of the control group (version 2) in `folder`, such as /sys/fs/cgroup. Pages
// of files count as free. The largest number if there is no limit.
ROBOIMI_EXPORT std::uint64_t left_in_control_group(const std::filesystem::path& folder);

// Throws Error if `bytes` are not available: "not enough memory for the head", with the needed and
// the available size.
ROBOIMI_EXPORT void require_memory(double bytes, const std::string& what, const std::string& where,
                                   const std::string& next);

// From now on, keeps freed blocks of up to 32 MB for later allocations of this process. Each
// training step allocates and frees the same tensors; by default glibc returns them to the system,
// which must clear every page again (docs/results/speed.md: up to 1.2 times the time). Affects the
// whole process, so only main() should call it. No effect on other allocators.
ROBOIMI_EXPORT void keep_freed_memory();

}  // namespace roboimi
