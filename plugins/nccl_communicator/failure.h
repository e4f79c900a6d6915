// Turns exceptions of libtorch's distributed code into an Error that names the real cause.
#pragma once

#include <exception>
#include <string>

namespace roboimi::nccl_communicator {

// Throws Error: a lost process, a timeout, two processes on one GPU, or "failed to `action`".
[[noreturn]] void throw_failure(const std::exception& cause, const std::string& action,
                                const std::string& where);

}  // namespace roboimi::nccl_communicator
