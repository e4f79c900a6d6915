// The key-value store through which the processes of a training find each other.
#pragma once

#include <c10/util/intrusive_ptr.h>

#include <chrono>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "plugins/nccl_communicator/launch.h"

namespace roboimi::nccl_communicator {

// Connects to the store, which rank 0 or torchrun's agent hosts. Returns a store with separate keys
// for each call, so that a process can create several communicators one after the other: all
// processes must make the same calls. Throws libtorch's exception if not all processes connect
// within `timeout`.
c10::intrusive_ptr<c10d::Store> join_store(const Launch& launch, std::chrono::milliseconds timeout);

}  // namespace roboimi::nccl_communicator
