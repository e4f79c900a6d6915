#include "plugins/nccl_communicator/process_store.h"

#include <fmt/format.h>

#include <torch/csrc/distributed/c10d/HashStore.hpp>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

namespace roboimi::nccl_communicator {
namespace {

c10::intrusive_ptr<c10d::Store> connect(const Launch& launch, std::chrono::milliseconds timeout) {
  if (launch.size == 1) return c10::make_intrusive<c10d::HashStore>();
  c10d::TCPStoreOptions options;
  options.port = launch.port;
  options.isServer = launch.rank_0_hosts_store && launch.rank == 0;
  // The agents of torchrun count as clients of their own store.
  if (launch.rank_0_hosts_store) options.numWorkers = static_cast<std::size_t>(launch.size);
  options.waitWorkers = launch.rank_0_hosts_store;
  options.timeout = timeout;
  return c10::make_intrusive<c10d::TCPStore>(launch.host, options);
}

}  // namespace

c10::intrusive_ptr<c10d::Store> join_store(const Launch& launch,
                                           std::chrono::milliseconds timeout) {
  // Kept until the process exits: a process that is ahead must not connect to a store that is about
  // to close.
  static const c10::intrusive_ptr<c10d::Store> store = connect(launch, timeout);
  static int calls = 0;
  return c10::make_intrusive<c10d::PrefixStore>(
      fmt::format("roboimi/{}/{}", launch.store_prefix, calls++), store);
}

}  // namespace roboimi::nccl_communicator
