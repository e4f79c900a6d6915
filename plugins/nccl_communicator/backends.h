// The two ways to exchange tensors between processes: gloo for tensors in host memory, NCCL for
// tensors on a GPU.
#pragma once

#include <c10/util/intrusive_ptr.h>

#include <chrono>
#include <string>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "plugins/nccl_communicator/launch.h"

namespace roboimi::nccl_communicator {

// Connects to all processes over TCP. Uses the loopback interface if all are on this machine,
// otherwise the interface GLOO_SOCKET_IFNAME or that of the machine's name.
c10::intrusive_ptr<c10d::Backend> make_gloo(const c10::intrusive_ptr<c10d::Store>& store,
                                            const Launch& launch,
                                            std::chrono::milliseconds timeout);

// Why make_nccl() cannot be called; empty if it can.
std::string why_no_nccl();
// Connects at the first exchange.
c10::intrusive_ptr<c10d::Backend> make_nccl(const c10::intrusive_ptr<c10d::Store>& store,
                                            const Launch& launch,
                                            std::chrono::milliseconds timeout);

}  // namespace roboimi::nccl_communicator
