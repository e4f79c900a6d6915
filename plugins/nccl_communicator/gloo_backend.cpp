// libtorch's header declares its classes only with this definition.
#define USE_C10D_GLOO
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include "plugins/nccl_communicator/backends.h"

namespace roboimi::nccl_communicator {

c10::intrusive_ptr<c10d::Backend> make_gloo(const c10::intrusive_ptr<c10d::Store>& store,
                                            const Launch& launch,
                                            std::chrono::milliseconds timeout) {
  using c10d::ProcessGroupGloo;
  const auto options = ProcessGroupGloo::Options::create(timeout);
  if (const auto interface = process_environment()("GLOO_SOCKET_IFNAME")) {
    options->devices.push_back(ProcessGroupGloo::createDeviceForInterface(*interface));
  } else if (launch.one_machine) {
    options->devices.push_back(ProcessGroupGloo::createDeviceForHostname("127.0.0.1"));
  } else {
    options->devices.push_back(ProcessGroupGloo::createDefaultDevice());
  }
  return c10::make_intrusive<ProcessGroupGloo>(store, static_cast<int>(launch.rank),
                                               static_cast<int>(launch.size), options);
}

}  // namespace roboimi::nccl_communicator
