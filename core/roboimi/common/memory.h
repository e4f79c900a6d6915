// How much memory there is, asked before it is taken: Linux promises more than it has and ends the
// process, or another one, when the promise is called in. And whether what was taken is kept.
//
//   require_memory(4 * num_parameters, "the head", "agent.head", "lower n_emb or n_layer");
#pragma once

#include <cstdint>
#include <string>

#include "roboimi/common/export.h"

namespace roboimi {

// Bytes that this process may still take: what the machine has free, what its control group leaves
// it and what its own limit (ulimit -v) does, whichever is least.
ROBOIMI_EXPORT std::uint64_t available_memory();

// Error when `bytes` for `what` are not available: "not enough memory for the head", with both
// numbers.
ROBOIMI_EXPORT void require_memory(double bytes, const std::string& what, const std::string& where,
                                   const std::string& next);

// From now on this process keeps what it frees for its next allocations, blocks of up to 32 MB. A
// training step takes and frees the same tensors as the one before; by default glibc gives them
// back to the system, which clears every page again (docs/results.md: up to 1.2 times the time).
// Holds for the whole process, and so is for a program's main() to call. Without effect on other
// allocators.
ROBOIMI_EXPORT void keep_freed_memory();

}  // namespace roboimi
